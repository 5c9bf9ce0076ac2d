"""Oracles for the kernels: slow, obvious, on Python integers and lists of 0 and 1, one case at a time."""

import itertools
import math
from fractions import Fraction

import numpy as np


def bits(words, dim):
    return [int(words[j // 64]) >> (j % 64) & 1 for j in range(dim)]


def words(components):
    out = [0] * -(-len(components) // 64)
    for j, bit in enumerate(components):
        out[j // 64] |= int(bit) << (j % 64)
    return np.array(out, dtype=np.uint64)


def random_words(key, count):
    """Philox4x64-10 as Salmon et al. (2011) print it."""
    mask, out, counter = 2**64 - 1, [], 0
    while len(out) < count:
        counter += 1
        a, b, c, d = counter, 0, 0, 0
        first_key, second_key = int(key[0]), int(key[1])
        for _ in range(10):
            first, second = 0xD2E7470EE14C6C93 * a, 0xCA5A826395121157 * c
            a, c = second >> 64 ^ b ^ first_key, first >> 64 ^ d ^ second_key
            b, d = second & mask, first & mask
            first_key, second_key = (
                (first_key + 0x9E3779B97F4A7C15) & mask,
                (second_key + 0xBB67AE8584CAA73B) & mask,
            )
        out += [a, b, c, d]
    return np.array(out[:count], dtype=np.uint64)


def signed_order(key, dim):
    """Sort the words of a stream, and write places and lowest bits into one entry each."""
    words = random_words(key, dim).tolist()
    return [2 * place + word % 2 for place, word in zip(sorted(range(dim), key=words.__getitem__), words, strict=True)]


def signed_move(row, entries):
    """Apply a signed permutation to a list."""
    return [-row[entry // 2] if entry % 2 else row[entry // 2] for entry in entries]


def signed_product(after, before):
    """Apply both to the numbers from 1 on, and read the entries of one that does the same off what comes out."""
    moved = signed_move(signed_move(list(range(1, len(after) + 1)), before), after)
    return [2 * (abs(number) - 1) + (number < 0) for number in moved]


def xor(a, b):
    return np.array([int(v) ^ int(w) for v, w in zip(a, b, strict=True)], dtype=np.uint64)


def or_reduce(x):
    return np.array([max(column) for column in zip(*x, strict=True)])


def hamming(a, b):
    return sum((int(v) ^ int(w)).bit_count() for v, w in zip(a, b, strict=True))


def shared_ones(a, b):
    return sum((int(v) & int(w)).bit_count() for v, w in zip(a, b, strict=True))


def popcount(x):
    return sum(int(w).bit_count() for w in x)


def top_k(query, items, k):
    best = sorted((hamming(query, item), i) for i, item in enumerate(items))[:k]
    return [d for d, _ in best], [i for _, i in best]


def top_k_lists(query, items, ids, starts, lists, k):
    rows = [row for one in lists for row in range(starts[one], starts[one + 1]) if ids[row] >= 0]
    best = sorted((hamming(query, items[row]), int(ids[row])) for row in rows)[:k]
    best += [(2**31 - 1, -1)] * (k - len(best))
    return [d for d, _ in best], [i for _, i in best]


def plane_sums(query, item):
    """Components as lists of 0 and 1: of the query, and of each plane of the item, the heaviest first."""
    values = [
        int("".join(map(str, bits[1:])) or "0", 2) - bits[0] * 2 ** (len(bits) - 1) for bits in zip(*item, strict=True)
    ]
    return sum(value for value, chosen in zip(values, query, strict=True) if chosen)


def best_class(row, prototypes, factors, biases, stops, spans, dim):
    """Components as lists of 0 and 1: of a row, and of each plane of each prototype, the heaviest first."""
    signs = [1 - 2 * bit for bit in row]
    values = [
        [sum((1 - 2 * b) * 2**e for e, b in enumerate(reversed(bits))) for bits in zip(*planes, strict=True)]
        for planes in prototypes
    ]
    for stage, end in enumerate(stops):
        scores = [
            int(f) * sum(a * b for a, b in zip(signs[: 64 * end], v, strict=False)) + int(bias)
            for f, v, bias in zip(factors, values, biases[stage], strict=True)
        ]
        leader = scores.index(max(scores))
        others = [i for i in range(len(scores)) if i != leader]
        if stage == len(spans) or all(scores[leader] - scores[i] >= spans[stage][leader][i] for i in others):
            return leader, end


def gather_dots(query, items, rows):
    chosen = [[int(v) for v in items[row]] if row >= 0 else [0] * len(query) for row in rows]
    dots = [sum(int(a) * b for a, b in zip(query, item, strict=True)) for item in chosen]
    return dots, [sum(b * b for b in item) for item in chosen]


def gather_planes(query, codes, rows):
    """Return products of a query with some codes, each a list of planes of bits."""
    found = []
    for row in rows:
        dot = 0
        for weight, plane in enumerate(reversed(codes[row]) if row >= 0 else ()):
            dot += sum(int(q) * (2 * bit - 1) << weight for q, bit in zip(query, plane, strict=True))
        found.append(dot)
    return found


def rounded(row, most):
    greatest = max((abs(v) for v in row), default=np.float32(0))
    unit = np.float32(greatest) / np.float32(most)
    unit = unit if unit >= 2.0**-126 else np.float32(1)
    return [int(np.rint(np.float32(v) / unit)) for v in row], unit


def unit(row):
    """Exact but for the length's root, the division and the last rounding."""
    exact = [Fraction(float(v)) for v in row]
    exponent = math.frexp(max((abs(float(v)) for v in row), default=0.0))[1]
    step = Fraction(2) ** (exponent - (53 - len(row).bit_length()) // 2)
    squares = sum(round(v / step) ** 2 for v in exact)
    length = math.sqrt(squares) * float(step)
    return [np.float32(float(v) / length) if squares else np.float32(0) for v in row]


def signed_sums(rows, weights):
    """Components as lists of 0 and 1; weights as Python integers."""
    dim = len(rows[0])
    return [sum(w if row[j] else -w for row, w in zip(rows, weights, strict=True)) for j in range(dim)]


def majority(rows, weights, tie):
    return signs(signed_sums(rows, weights), tie)


def signs(sums, tie):
    found = []
    for j, total in enumerate(sums):
        if total == 0:
            found.append(int(tie[j]) ^ (sums[j - 1] // 2 % 2))
        else:
            found.append(int(total > 0))
    return found


def record_members(first, second, marks):
    """Components as lists of 0 and 1; one mark for each column, negative where it has no member."""
    columns = zip(first, second, marks, strict=True)
    return [[(a if j < mark else b)[j] for j in range(len(a))] for a, b, mark in columns if mark >= 0]


def record_sums(first, second, marks, most):
    members = record_members(first, second, marks)
    sums = [sum(1 - 2 * member[j] for member in members) for j in range(len(first[0]))]
    return [max(-most, min(most, total)) for total in sums]


def phase_sign(phase, turn):
    """Whether the cosine is negative: from a quarter of a turn to just before three quarters."""
    return turn // 4 <= phase % turn < 3 * turn // 4


def rotate(components, shift):
    out = [0] * len(components)
    for j, bit in enumerate(components):
        out[(j + shift) % len(components)] = bit
    return out


def code_dot(query_planes, item_planes):
    levels = len(query_planes)
    total = 0
    for component in zip(*query_planes, *item_planes, strict=True):
        values = [2 * bit - 1 for bit in component]
        a = sum(s << (levels - 1 - i) for i, s in enumerate(values[:levels]))
        b = sum(s << (levels - 1 - i) for i, s in enumerate(values[levels:]))
        total += a * b
    return total


def code_top_k(query, items, scale, k):
    scores = [float(factor) * code_dot(query, item) for item, factor in zip(items, scale, strict=True)]
    best = sorted((-score, i) for i, score in enumerate(scores))[:k]
    return [-score for score, _ in best], [i for _, i in best]


def fwht(x):
    """Row i, column j of the Sylvester matrix is -1 to the number of bits that i and j share."""
    dim = len(x)
    sums = (sum(-v if (i & j).bit_count() % 2 else v for j, v in enumerate(x)) for i in range(dim))
    return [total / math.sqrt(dim) for total in sums]


def csr_matmul(data, indices, indptr, x):
    dense = np.zeros((len(indptr) - 1, len(x)))
    for i in range(len(dense)):
        for t in range(indptr[i], indptr[i + 1]):
            dense[i, indices[t]] += data[t]
    return dense @ x


def sign_product(a, b):
    """Multiply integers one by one."""
    return [int(x) * int(y) for x, y in zip(a, b, strict=True)]


def is_sign_product(atom, other, least):
    """Say whether all of an atom are ±1, and all of the other, or, if it has a least number, none is that."""
    others = all(int(y) in (1, -1) for y in other) if least is None else all(int(y) != least for y in other)
    return others and all(int(x) in (1, -1) for x in atom)


def byte_dots(query, items):
    """Return the dot products of a query, and of each item with itself."""
    return [sum(sign_product(query, x)) for x in items], [sum(sign_product(x, x)) for x in items]


def phasor_product(a, b, conjugate):
    """Multiply complex numbers, given as real and imaginary parts in turn."""
    out = []
    for re, im, real, imaginary in zip(a[0::2], a[1::2], b[0::2], b[1::2], strict=True):
        product = complex(re, -im if conjugate else im) * complex(real, imaginary)
        out += [product.real, product.imag]
    return out


def convolve(a, b, back):
    """Add the products of all pairs of components, at the place that their places add up to."""
    out = [0.0] * len(a)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            out[(j - i if back else i + j) % len(a)] += float(x) * float(y)
    return out


def attract(rows, labels, weights, prototypes, owners, steepness, rate):
    """Follow the definition of GLVQ (of LVQ for steepness 0) on vectors that are kept at length 1."""
    vectors = [list(map(float, vector)) for vector in prototypes]
    for row, label, weight in zip(rows, labels, weights, strict=True):
        cosines = [sum(a * float(b) for a, b in zip(vector, row, strict=True)) for vector in vectors]
        own = [(-c, p) for p, c in enumerate(cosines) if owners[p] == label]
        other = [(-c, p) for p, c in enumerate(cosines) if owners[p] != label]
        moves = []
        if steepness == 0:
            (_, p), mine = min((min(side), side is own) for side in (other, own) if side)
            if own and other and min(own)[0] == min(other)[0]:
                p, mine = min(own)[1], True
            moves = [(p, rate * weight * (1 if mine else -1))]
        elif own and other:
            (a, p), (b, q) = min(own), min(other)
            a, b = 1 + a, 1 + b  # half the squared distances
            if a + b >= 1e-9:
                f = 1 / (1 + math.exp(-steepness * (a - b) / (a + b)))
                slope = 2 * rate * weight * steepness * f * (1 - f) / (a + b) ** 2
                moves = [(p, slope * b), (q, -slope * a)]
        for place, step in moves:
            moved = [v + min(0.5, max(-0.5, step)) * float(x) for v, x in zip(vectors[place], row, strict=True)]
            length = math.sqrt(sum(v * v for v in moved))
            vectors[place] = [v / length for v in moved]
    return vectors


def recurrence(x, maps):
    """Follow BEBR's definition for one vector: a list of signs for each level."""

    def apply(affine, v):
        return [sum(a * w for a, w in zip(v, column, strict=True)) for column in affine.weight.T.tolist()]

    def plus(v, bias):
        return [a + b for a, b in zip(v, bias.tolist(), strict=True)]

    def unit(v):
        norm = math.sqrt(sum(a * a for a in v))
        return [a / norm for a in v]

    def sign(v):
        return [1.0 if a > 0 else -1.0 for a in v]

    f = unit(x.tolist())
    levels = [sign(plus(apply(maps.project, f), maps.project.bias))]
    b = list(levels[0])
    for i, (decode, correct) in enumerate(zip(maps.decode, maps.correct, strict=True)):
        decoded = unit(plus(apply(decode, b), decode.bias))
        rest = [a - c for a, c in zip(f, decoded, strict=True)]
        r = sign(plus(apply(correct, rest), correct.bias))
        b = [a + 2.0 ** -(i + 1) * s for a, s in zip(b, r, strict=True)]
        levels.append(r)
    return levels


def table_top_k(table, codes, scale, offset, k):
    scores = [
        float(s) * sum(float(table[g, v]) for g, v in enumerate(code)) + float(more)
        for code, s, more in zip(codes, scale, offset, strict=True)
    ]
    ids = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
    return [scores[i] for i in ids], ids


def code_cost(linear, side, pair, code):
    chosen = [int(v) * len(code) + g for g, v in enumerate(code)]
    cost = sum(float(linear[k]) for k in chosen)
    for i, k in enumerate(chosen):
        cost += sum(float(pair[k, m]) + sum(float(t[k]) * float(t[m]) for t in side) for m in chosen[:i])
    return cost


def nearest(query, centroids, p):
    dots = [sum(a * b for a, b in zip(query.tolist(), row, strict=True)) for row in centroids.tolist()]
    best = sorted(range(len(dots)), key=lambda i: (-dots[i], i))[:p]
    return [dots[i] for i in best], best


def walk(estimates, links, entries, effort, wanted, most):
    """Return the nodes that a walk estimates: a step takes nodes while the links of the step before are estimated."""
    seen, taken, hand, pool, now = set(entries), set(), [], [], list(entries)
    while True:
        after = []
        while len(after) < wanted and len(pool) + len(now) + len(after) < most:
            best = next((node for node in hand if node not in taken), None)
            if best is None:
                break
            taken.add(best)
            new = [node for node in links[best] if node not in seen]
            seen.update(new)
            after += new
        if not now and not after:
            return pool
        pool += now
        hand = sorted({*hand, *now}, key=lambda node: (-estimates[node], node))[:effort]
        now = after


def chosen_links(squares, candidates, most, slack):
    """Return links among candidates; ``squares(a, b)`` is of the distance of two nodes, the first of which is given."""
    links = []
    for far, candidate in sorted((squares(None, c), c) for c in candidates):
        if len(links) < most and all(slack * squares(candidate, link) > far for link in links):
            links.append(candidate)
    return links


def estimate(query, factors, row, scale, offset, base):
    """Score one row, given as a list of 0 and 1, as :class:`hdc.kernels.CodeLists` prints it."""
    total = np.float32(sum(value for value, bit in zip(query, row, strict=True) if bit))
    slope, shift, scale, offset, base = (np.float32(x) for x in (*factors, scale, offset, base))
    return float(((total * slope + shift) * scale + offset) + base) + 0.0


def code_lists(query, factors, rows, scale, offset, starts, lists, base, ids, k):
    scored = [
        (-estimate(query, factors, rows[row], scale[row], offset[row], own), int(ids[row]))
        for at, own in zip(lists, base, strict=True)
        for row in range(starts[at], starts[at + 1])
        if ids[row] >= 0
    ]
    best = sorted(scored)[:k] + [(math.inf, -1)] * max(0, k - len(scored))
    return [-score for score, _ in best], [i for _, i in best]


def json_readings(query, document, mode_of, path=()):
    """Yield every way to lay a query over a document: a list of (path, leaf of the query, what it meets, part kept).

    A leaf meets ``...`` where the document has nothing. ``mode_of`` says how the arrays at a path are bound.
    """
    if isinstance(query, dict) and query:
        there = document if isinstance(document, dict) else {}
        parts = [json_readings(item, there.get(key, ...), mode_of, (*path, key)) for key, item in query.items()]
    elif isinstance(query, list) and query:
        items = document if isinstance(document, list) else []
        mode = mode_of(path)
        if mode == "auto":
            mode = "sequence" if all(type(item) in (int, float) for item in query) else "bag"
        parts = [_json_item(item, at, items, mode, mode_of, path) for at, item in enumerate(query)]
    else:
        yield [(path, query, ... if isinstance(document, dict | list) and document else document, 1.0)]
        return
    for chosen in itertools.product(*parts):
        yield [leaf for part in chosen for leaf in part]


def _json_item(query, at, items, mode, mode_of, path):
    if mode == "sequence":
        yield from json_readings(query, items[at] if at < len(items) else ..., mode_of, (*path, at))
        return
    yield from json_readings(query, ..., mode_of, (*path, None))
    for place, item in enumerate(items):
        kept = {"bag": 1.0, "soft": max(0.0, 1 - abs(at - place) / 3), "both": 1.0 if at == place else 0.5}[mode]
        for reading in json_readings(query, item, mode_of, (*path, None)):
            yield [(*leaf, kept * part) for *leaf, part in reading]


def json_score(query, document, mode_of, weight_of):
    """Return the greatest part of a query's weight that a reading finds; ``weight_of`` compares a leaf with a value."""

    def total(reading):
        return sum(kept * weight_of(path, leaf, met) for path, leaf, met, kept in reading if met is not ...)

    asked = next(json_readings(query, ..., mode_of))
    whole = sum(weight_of(path, leaf, leaf) for path, leaf, _, _ in asked)
    return max(map(total, json_readings(query, document, mode_of))) / whole


def sign_dot(query, bits):
    """The dot product of a query, rounded to 16 levels, with signs given as a list of 0 and 1."""
    step = 2 * max(map(abs, query)) / 15 or 1.0
    levels = [min(15, max(0, math.floor(value / step) + 8)) for value in query]
    return sum((level - 7.5) * step * (1 if bit else -1) for level, bit in zip(levels, bits, strict=True))


def number_share(one, cells, place, value):
    """Return the part of a number's weight that a number at a place, of a value, holds."""
    exact, asked = float(one["exact"]), float(one["place"])
    part = exact if value == one["value"] else 0.0
    widths = one["widths"].tolist()
    if widths[0] <= 0:
        return part + (1 - exact) * math.exp(-((place - asked) ** 2) / 2)
    for width in widths:
        apart = abs(math.floor(place * cells / width) - math.floor(asked * cells / width))
        part += (1 - exact) / (cells * len(widths)) * max(0, cells - apart)
    return part


def posting_weights(segment, query, number, at):
    """Return what each spot of a list gets in a segment, the one of a number: a dict."""
    one = query.lists[at]
    weight, name = round(float(one["weight"]) * query.unit), int(one["hash"])
    if one["kind"] == 0:
        keys = list(zip(segment.terms.tolist(), segment.paths.tolist(), strict=True))
        if (name, int(one["path"])) not in keys:
            return {}
        at = keys.index((name, int(one["path"])))
        return dict.fromkeys(segment.postings[segment.starts[at] : segment.starts[at + 1]].tolist(), weight)
    if one["kind"] == 1:
        at = number * int((query.lists["kind"] == 1).sum()) + name
        return dict.fromkeys(query.extra[query.extra_starts[at] : query.extra_starts[at + 1]].tolist(), weight)
    if name not in segment.columns.tolist():
        return {}
    at = segment.columns.tolist().index(name)
    part = slice(segment.column_starts[at], segment.column_starts[at + 1])
    spots, places, values = (
        a[part].tolist() for a in (segment.number_spot, segment.number_place, segment.number_value)
    )
    return {
        spot: int(weight * number_share(one, query.cells, place, value) + 0.5)
        for spot, place, value in zip(spots, places, values, strict=True)
    }


def posting_whole(query):
    """Return the weight of a query in integers."""
    whole, lost = 0, query.asked
    for one in query.lists:
        if one["counted"]:
            whole += round(float(one["weight"]) * query.unit)
        if one["counted"] == 1:
            lost -= float(one["weight"])
    return whole + round(lost * query.unit)


def posting_scores(segment, query, number):
    """Return the scores of a segment's documents: their groups as a tree, the best item of each by trying all."""
    stack, first = [], 0
    for group, (behind, depth) in enumerate(zip(query.groups["behind"], query.groups["depth"], strict=True)):
        lists = [posting_weights(segment, query, number, at) for at in range(first, behind)]
        first = behind
        inside = []
        while stack and stack[-1][0] > depth:
            inside.append(stack.pop())
        stack.append((depth, group, lists, inside))
    ((_, _, lists, groups),) = stack
    items = [
        (item, *map(int, known))
        for item, known in enumerate(
            zip(segment.item_document, segment.item_parent, segment.item_place, strict=True),
        )
    ]
    children = {}
    for item, document, parent, place in items:
        children.setdefault((document, parent), []).append((item, place))

    def best(one, document, parent):
        _, group, lists, inside = one
        asked, mode = int(query.groups["position"][group]), int(query.groups["mode"][group])
        most = 0
        for item, place in children.get((document, parent), []):
            apart = abs(asked - place)
            kept = [1.0, float(apart == 0), max(0.0, 1 - apart / 3), 1.0 if apart == 0 else 0.5][mode]
            own = sum(held.get(item, 0) for held in lists) + sum(best(other, document, item) for other in inside)
            most = max(most, int(own * kept))
        return most

    scores, whole = [], posting_whole(query)
    for document, mass in enumerate(segment.masses.tolist()):
        held = sum(one.get(document, 0) for one in lists) + sum(best(one, document, 0xFFFFFFFF) for one in groups)
        beyond = max(0.0, mass * query.mass_unit - held)
        scores.append((held * (whole / (whole + beyond)) if query.overlap else held) / whole)
    return scores


def posting_best(segments, query, rank, k, allowed):
    scores = [score for n, segment in enumerate(segments) for score in posting_scores(segment, query, n)]
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], rank[i] if len(rank) else i))
    found = [i for i in order if scores[i] > 0 and (not len(allowed) or allowed[i])][:k]
    return [scores[i] for i in found], found


def word_distance(one, other):
    """Return the least number of letters put in, left out, replaced, or exchanged with a neighbor and left alone."""
    known = {}

    def distance(i, j):
        if not i or not j:
            return i + j
        if (i, j) not in known:
            least = min(
                distance(i - 1, j) + 1,
                distance(i, j - 1) + 1,
                distance(i - 1, j - 1) + (one[i - 1] != other[j - 1]),
            )
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                least = min(least, distance(i - 2, j - 2) + 1)
            known[i, j] = least
        return known[i, j]

    return distance(len(one), len(other))


def perceptron(rows, labels, weights, prototypes, drift, means, step, rule, rate, margin):
    """Take rows one by one as LearnKernels.perceptron says; rules by their names. Returns all that changed."""
    prototypes, drift, means = [list(map(float, p)) for p in prototypes], [list(map(float, d)) for d in drift], [*means]
    nearest = []
    for row, own, weight in zip(rows, labels, weights, strict=True):
        lengths = [sum(x * x for x in p) ** 0.5 for p in prototypes]
        dots = [sum(x * y for x, y in zip(p, row, strict=True)) for p in prototypes]
        s = [dot / length if length else 0.0 for dot, length in zip(dots, lengths, strict=True)]
        others = [c for c in range(len(s)) if c != own]
        rival = max(others, key=lambda c: (s[c], -c)) if others else None
        gap = s[own] - s[rival] if others else float("inf")
        nearest.append(own if gap > 0 else rival)
        up = down = 0.0
        if rule == "bundle":
            up, down = 1 - s[own], (1 - s[rival] if gap <= 0 else 0.0)
        elif others and rule in ("adapt", "margin") and gap <= (margin if rule == "margin" else 0):
            up = down = 1.0
        elif others and rule == "online" and gap <= 0:
            up, down = 1 - s[own], 1 - s[rival]
        elif others and rule == "refine":
            threshold = max(0.0, margin * (means[0] - means[1]))
            means[gap <= 0] += 0.01 * (gap - means[gap <= 0])
            if gap <= threshold:
                up, down = 1 - s[own], 1 - s[rival]
        for place, change in ((own, up), (rival, -down)):
            if change:
                for j, x in enumerate(row):
                    prototypes[place][j] += rate * weight * change * x
                    drift[place][j] += rate * weight * change * step * x
        step += 1
    return prototypes, drift, means, step, nearest


def similarities(queries, vectors, metric):
    """Cosines, inner products, or squared Euclidean distances times -1, of all pairs, in float64."""
    q, x = np.asarray(queries, np.float64)[:, None], np.asarray(vectors, np.float64)[None]
    if metric == "l2":
        return -((q - x) ** 2).sum(axis=2)
    products = (q * x).sum(axis=2)
    lengths = np.sqrt((q**2).sum(axis=2) * (x**2).sum(axis=2))
    return products if metric == "ip" else np.divide(products, lengths, out=0 * products, where=lengths > 0)


# ---------------------------------------------------------------------- scalar codes


def scalar_code(components, levels, code):
    """Return the numbers that a code has for its components, and check that they are of the nearest levels.

    The planes of the numbers follow one another, the heaviest first; a plane has a bit of each component whose number
    has so many, these being the first ones.
    """
    stream = [bit for word in code.tolist() for bit in [word >> i & 1 for i in range(64)]]
    widths = [len(own).bit_length() - 1 for own in levels]
    numbers = [0] * len(levels)
    at = 0
    for plane in range(max(widths)):
        for i, width in enumerate(widths):
            if width > plane:
                numbers[i] = 2 * numbers[i] + stream[at]
                at += 1
    for number, component, own in zip(numbers, components.tolist(), levels, strict=True):
        distances = [abs(component - level) for level in own.tolist()]
        assert distances[number] <= min(distances) + 1e-5 * (1 + abs(component))
    return numbers


def level_row(row, runs):
    """Return the levels of a row's numbers, words given as integers; see :class:`hdc.kernels.LevelRun`."""
    levels, words = [], iter(row)
    for count, bits, own in runs:
        for _ in range(count):
            word = next(words)
            numbers = [word >> at & 2**bits - 1 for at in range(0, 64, bits)]
            levels += numbers if bits == 8 else [int(own[number]) for number in numbers]
    return levels


def level_sums(query, raises, sizes, rows):
    """Return the sum of each row of levels, run by run."""
    sums = []
    for levels in rows:
        total = first = 0
        for raised, size in zip(raises, sizes, strict=True):
            own = range(first, first + size)
            total, first = total * 2**raised + sum(query[i] * levels[i] for i in own), first + size
        sums.append(total)
    return sums


def level_rows(sums, factors, scale, offset, ids, k):
    """Return the k greatest scores, and what the rows count as."""
    a, b = factors
    scored = [
        (-(float((np.float32(total) * a + b) * scale[row] + offset[row]) + 0.0), int(ids[row]))
        for row, total in enumerate(sums)
        if ids[row] >= 0
    ]
    best = sorted(scored)[:k] + [(math.inf, -1)] * max(0, k - len(scored))
    return [-score for score, _ in best], [i for _, i in best]


def chamfer(rows, items, weights=None):
    """Sum, over packed rows, of the least number of bits in which one differs from an item, times its weight."""
    weights = [1] * len(rows) if weights is None else weights
    return sum(int(w) * min(hamming(row, item) for item in items) for w, row in zip(weights, rows, strict=True))


def max_sim(tables, weights, codes, scale, offset):
    """Sum, over the tables of a query's rows, of the greatest score of an item times a weight, in float32."""
    total = np.float32(0)
    for table, weight in zip(tables, weights, strict=True):
        scores = []
        for code, factor, more in zip(codes, scale, offset, strict=True):
            score = np.float32(0)
            for group, value in enumerate(code):
                score = np.float32(score + table[group, value])
            scores.append(np.float32(np.float32(score * factor) + more))
        total = np.float32(total + np.float32(max(scores) * weight))
    return total


def principal_axes(rows, count):
    """Return mean, directions (dim, count), and shares of the variance, by a whole SVD of centered rows."""
    rows = np.asarray(rows, np.float64)
    centered = rows - rows.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centered, full_matrices=False)
    found = []
    for direction in directions[:count]:
        largest = max(range(len(direction)), key=lambda j: abs(direction[j]))
        found.append(direction if direction[largest] >= 0 else -direction)
    return rows.mean(axis=0), np.array(found).T, (sizes**2 / (sizes**2).sum())[:count]


def inside(point, corners):
    """Return whether a ray from a point to the right crosses the edges of a polygon an odd number of times."""
    (x, y), crossed = point, 0
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y0 > y) != (y1 > y):
            crossed += x < Fraction(x0) + Fraction(x1 - x0) * Fraction(y - y0) / Fraction(y1 - y0)
    return crossed % 2 == 1


def most_alike(query, vectors, k):
    """Return the numbers of the k vectors of the greatest cosine, in exact order of float64."""

    def cosine(vector):
        return sum(a * b for a, b in zip(query, vector, strict=True)) / math.sqrt(sum(b * b for b in vector))

    return sorted(range(len(vectors)), key=lambda i: -cosine(vectors[i]))[:k]
