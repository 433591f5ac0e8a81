/** The last picture held over a change of engines, which is black without it. */

export class Still {
  private canvas: HTMLCanvasElement | undefined;

  constructor(private readonly video: HTMLVideoElement) {}

  /** Hold what is on screen until the next picture is there, or `seconds` have gone by. */
  hold(seconds = 4): void {
    const { video } = this;
    this.drop();
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || !video.videoWidth) return;
    const canvas = document.createElement("canvas");
    canvas.className = "still";
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    video.after(canvas);
    this.canvas = canvas;
    const heard = AbortSignal.timeout(seconds * 1000);
    heard.addEventListener("abort", () => canvas.remove(), { once: true });
    const shown = (): void => this.canvas === canvas ? this.drop() : undefined;
    video.addEventListener("emptied", () => video.addEventListener("loadeddata", shown, { once: true, signal: heard }), {
      once: true,
      signal: heard,
    });
  }

  drop(): void {
    this.canvas?.remove();
    this.canvas = undefined;
  }
}
