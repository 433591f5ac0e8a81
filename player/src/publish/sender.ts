/** Publishing from the browser: what MediaRecorder makes, over a WebSocket. */

const PATH = "/live/publish";
/** Each slice waits for its end before it is sent. */
const SLICE_MS = 100;
const BITS = 2_500_000;
/** What may wait for the line before it is plain that it does not carry this. */
const BEHIND_BYTES = 8_000_000;
/** H.264 goes on as it is; everything else is encoded first. */
const TYPES = ["video/webm;codecs=h264,opus", "video/webm;codecs=vp8,opus"];

export interface SenderHandlers {
  /** The server takes it. */
  sending(): void;
  /** It is over, and why; "" where that was asked for. */
  ended(reason: string): void;
}

interface Told {
  type: "admitted" | "refused" | "ended";
  reason?: string;
}

/** Say whether this browser can publish: it shows cameras to safe pages only. */
export function canSend(): boolean {
  return "MediaRecorder" in globalThis && "mediaDevices" in navigator && mimeType() !== "";
}

function mimeType(): string {
  return TYPES.find((type) => MediaRecorder.isTypeSupported(type)) ?? "";
}

export class Sender {
  private readonly socket: WebSocket;
  private readonly recorder: MediaRecorder;
  private over = false;
  private reason = "The connection to the server is lost.";

  constructor(
    private readonly media: MediaStream,
    key: string,
    private readonly handlers: SenderHandlers,
  ) {
    const address = new URL(PATH, location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(address);
    this.recorder = new MediaRecorder(media, { mimeType: mimeType(), videoBitsPerSecond: BITS });
    this.socket.onopen = () => this.socket.send(JSON.stringify({ type: "publish", key }));
    this.socket.onmessage = (event) => this.heard(JSON.parse(String(event.data)) as Told);
    this.socket.onclose = () => this.end(this.reason);
    this.recorder.ondataavailable = ({ data }) => this.send(data);
    this.recorder.onstop = () => this.socket.close();
    for (const track of media.getTracks()) track.addEventListener("ended", () => this.stop());
  }

  /** Send what is recorded still, and close. */
  stop(): void {
    this.reason = "";
    if (this.recorder.state === "inactive") this.socket.close();
    else this.recorder.stop();
  }

  private heard({ reason = "", type }: Told): void {
    if (type === "admitted") {
      this.recorder.start(SLICE_MS);
      this.handlers.sending();
    } else this.reason = reason;
  }

  private send(data: Blob): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    if (this.socket.bufferedAmount > BEHIND_BYTES) {
      this.reason = "The line is too slow for this.";
      this.socket.close();
    } else this.socket.send(data);
  }

  private end(reason: string): void {
    if (this.over) return;
    this.over = true;
    if (this.recorder.state !== "inactive") this.recorder.stop();
    for (const track of this.media.getTracks()) track.stop();
    this.handlers.ended(reason);
  }
}
