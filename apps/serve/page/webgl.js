// Points drawn by a graphics card, with WebGL2.

const VERTEX = `#version 300 es
layout(location = 0) in vec2 place;
layout(location = 1) in float kind;
uniform vec4 view; // scale and shift, from the points' numbers to the clip space
uniform float size;
uniform sampler2D palette;
out vec4 tint;
void main() {
  gl_Position = kind > 511.0 ? vec4(2.0, 2.0, 0.0, 1.0) : vec4(place * view.xy + view.zw, 0.0, 1.0);
  gl_PointSize = size;
  tint = texelFetch(palette, ivec2(int(kind) % 256, int(kind) / 256), 0);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 tint;
out vec4 color;
void main() {
  float far = length(gl_PointCoord - 0.5) * 2.0;
  float alpha = tint.a * (1.0 - smoothstep(0.75, 1.0, far));
  color = vec4(tint.rgb * alpha, alpha);
}`;

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;
const MILLISECONDS = 24; // until the next frame, at most
const MORE = 1.5, FEWER = 0.6;

/** Return whether there is WebGL2, and by a graphics card: the processor alone is faster without it. */
export function hasCard() {
  const gl = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  const known = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = gl?.getParameter(known ? known.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(gl) && !SOFTWARE.test(name);
}

export class WebGL {
  /** Draw on a canvas; `again` is called when all that was loaded was lost and can be loaded anew. */
  constructor(canvas, again) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true, preserveDrawingBuffer: true });
    this.begin();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.begin();
      again();
    });
  }

  begin() {
    const gl = this.gl;
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    this.at = { view: gl.getUniformLocation(program, "view"), size: gl.getUniformLocation(program, "size") };
    this.buffers = [[2, gl.FLOAT], [1, gl.UNSIGNED_SHORT]].map(([width, type], place) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, width, type, false, 0, 0);
      return buffer;
    });
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.took = 0;
  }

  /** Take points, what kind each is of, and the kinds' colors. */
  load(places, kinds, colors) {
    const gl = this.gl;
    if (gl.isContextLost()) return;
    [places, kinds].forEach((values, place) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[place]);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    });
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 2, 0, gl.RGBA, gl.UNSIGNED_BYTE, colors);
  }

  /** Return how many times as many points the next frame may have. */
  pace() {
    return this.took > MILLISECONDS ? FEWER : MORE;
  }

  /** Draw the points from one to another, over those that are there; the first over nothing. */
  paint({ scale, center, size, ratio }, from, until) {
    const gl = this.gl, { width, height } = this.canvas;
    if (from === 0) {
      gl.viewport(0, 0, width, height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
    }
    const sx = (2 * scale * ratio) / width, sy = (2 * scale * ratio) / height;
    gl.uniform4f(this.at.view, sx, sy, -center[0] * sx, -center[1] * sy);
    gl.uniform1f(this.at.size, size * ratio);
    gl.drawArrays(gl.POINTS, from, until - from);
    const began = performance.now(); // the card draws while this goes on, and the next frame waits for it
    requestAnimationFrame((now) => (this.took = now - began));
  }

  end() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
