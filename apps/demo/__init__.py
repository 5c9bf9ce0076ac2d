"""``hdc demo``: real JSON documents, indexed and searched before your eyes."""
