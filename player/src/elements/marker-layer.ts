/** What markers say over the picture, and where they are on the timeline. Loaded with the first marker. */
import { type Marked, type Marker, Markers } from "../store/markers";
import { extent, type Playback } from "../store/playback";
import { clock } from "../store/words";

const SHOWN_S = 6;

// Plain elements: with a share of Lit in a chunk of its own every page would load one more.
const STYLES = `
  .marker-card {
    position: absolute;
    top: 18px;
    right: 18px;
    max-width: min(320px, 60%);
    padding: 10px 16px;
    border-radius: 12px;
    background: rgb(14 17 23 / 84%);
    border: 1px solid rgb(255 255 255 / 16%);
    font-size: 14px;
    overflow-wrap: anywhere;
    pointer-events: none;
  }
  .marker-card:empty {
    display: none;
  }
  .marker-card b {
    display: block;
    font-size: 15px;
  }
  .marker-dots {
    position: absolute;
    inset: 0;
    pointer-events: none;
  }
  .marker-dots i {
    position: absolute;
    top: 50%;
    width: 8px;
    height: 8px;
    margin: -4px;
    border-radius: 50%;
    background: var(--warn, #f2b65a);
    box-shadow: 0 0 0 2px rgb(0 0 0 / 55%);
  }
`;

export class MarkerLayer {
  private readonly markers = new Markers(
    (date) => this.playback.timeOf(date),
    (marker) => this.tell(marker),
  );
  private readonly card = element("div", "marker-card");
  private readonly dots = element("div", "marker-dots");
  private readonly stop = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private placed = "";

  /** Show markers in a stage, which is in a shadow root, with what plays in it. */
  constructor(
    private readonly stage: HTMLElement,
    private readonly video: HTMLVideoElement,
    private readonly playback: Playback,
  ) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLES);
    (stage.getRootNode() as ShadowRoot).adoptedStyleSheets.push(sheet);
    this.card.role = "status";
    stage.append(this.card);
    const { signal } = this.stop;
    const look = (_: number, { mediaTime }: VideoFrameCallbackMetadata): void => {
      if (signal.aborted) return;
      this.markers.look(mediaTime);
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback?.(look);
    const unseen = (): boolean => document.hidden || !video.videoWidth || !("requestVideoFrameCallback" in video);
    video.addEventListener("timeupdate", () => unseen() && this.markers.look(video.currentTime), { signal });
    let before = playback.store.getState();
    const leave = playback.store.subscribe((now) => {
      if (before.started && !now.started) this.markers.again();
      before = now;
      this.place();
    });
    signal.addEventListener("abort", leave);
  }

  destroy(): void {
    this.stop.abort();
    this.card.remove();
    this.dots.remove();
  }

  /** Take markers that were told of. */
  take(marked: readonly Marked[]): void {
    if (this.markers.take(marked)) this.place();
  }

  /** The viewer has asked for something: where that has led back, markers are told again. */
  asked(): void {
    this.markers.rewind(this.video.currentTime);
  }

  private tell(marker: Marker): void {
    const { title, text } = marker.data;
    this.card.replaceChildren(
      ...(typeof title === "string" ? [element("b", "", title)] : []),
      ...(typeof text === "string" ? [text] : []),
    );
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.card.replaceChildren(), Math.max(SHOWN_S, marker.duration) * 1000);
    this.stage.dispatchEvent(new CustomEvent<Marker>("marker", { bubbles: true, composed: true, detail: marker }));
  }

  /** Draw the dots in the timeline's slot, where anything has moved. */
  private place(): void {
    const line = this.stage.querySelector("time-line");
    if (line && this.dots.parentElement !== line) line.append(this.dots);
    const [start, length] = extent(this.playback.store.getState());
    const dots = this.markers.places().map(([second, { data, kind }]) => {
      const title = typeof data.title === "string" ? data.title : kind;
      return [(second - start) / length, `${title}, ${clock(second - start)}`] as const;
    });
    const within = dots.filter(([share]) => share >= 0 && share <= 1);
    const placed = JSON.stringify(within);
    if (placed === this.placed) return;
    this.placed = placed;
    this.dots.replaceChildren(...within.map(([share, title]) => dot(share, title)));
  }
}

function dot(share: number, title: string): HTMLElement {
  const made = element("i", "");
  made.style.left = `${share * 100}%`;
  made.title = title;
  return made;
}

function element(name: string, kind: string, text = ""): HTMLElement {
  const made = document.createElement(name);
  made.className = kind;
  made.textContent = text;
  return made;
}
