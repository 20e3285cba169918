// The search runs in a web worker, which browsers do not start for a page that is opened from disk.
// There its script runs in a hidden frame instead. The theme would fetch such a class from the
// network; it looks for this file's name in `polyfills`.
"use strict";

class FrameWorker extends EventTarget {
  constructor(address) {
    super();
    const frame = document.createElement("iframe");
    frame.hidden = true;
    document.body.append(frame);
    this.inside = frame.contentWindow;
    this.inside.document.write("<!doctype html><title>search</title>");
    this.inside.document.close();
    this.inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
    const script = this.inside.document.createElement("script");
    script.src = new URL(address, location.href);
    this.ready = new Promise((loaded) => script.addEventListener("load", loaded));
    this.inside.document.head.append(script);
  }

  async postMessage(data) {
    await this.ready;
    this.inside.dispatchEvent(new MessageEvent("message", { data }));
  }
}

if (location.protocol === "file:") window.Worker = FrameWorker;
