/** The timeline: played, buffered, encoded, and the picture under the pointer. Of a live stream it spans the window. */
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { extent, type PlaybackState } from "../store/playback";
import { clamp, type Span } from "../store/spans";
import { type Tile, tileAt } from "../store/storyboard";
import { clock, spoken } from "../store/words";
import { shared } from "../styles/shared";
import { ask } from "./request";

@customElement("time-line")
export class TimeLine extends LitElement {
  @property({ attribute: false }) state!: PlaybackState;
  @property({ attribute: false }) tiles: readonly Tile[] = [];
  /** Encoded stretches as fractions 0…1; undefined where everything is there. */
  @property({ attribute: false }) coverage: readonly Span[] | undefined;
  @state() private hover: number | undefined;
  @state() private dragging: number | undefined;

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        position: relative;
        height: 22px;
        cursor: pointer;
        touch-action: none;
        outline-offset: 0;
        border-radius: 6px;
      }
      .rail {
        position: absolute;
        inset: 9px 0;
        border-radius: 2px;
        background: rgb(255 255 255 / 22%);
        overflow: hidden;
        transition: inset 0.12s;
      }
      :host(:hover) .rail,
      :host([dragging]) .rail {
        inset: 8px 0;
        border-radius: 3px;
      }
      .rail i {
        position: absolute;
        top: 0;
        bottom: 0;
      }
      .encoded {
        background: rgb(87 211 160 / 30%);
      }
      .buffered {
        background: rgb(255 255 255 / 34%);
      }
      .played {
        left: 0;
        background: var(--accent, #7c9cff);
      }
      .played.live {
        background: #e5393f;
      }
      .unreached {
        right: 0;
        background: repeating-linear-gradient(115deg, rgb(0 0 0 / 55%) 0 4px, transparent 4px 8px);
      }
      .edge {
        position: absolute;
        top: 4px;
        bottom: 4px;
        width: 2px;
        margin-left: -1px;
        border-radius: 1px;
        background: var(--warn, #f2b65a);
      }
      .knob {
        position: absolute;
        top: 50%;
        width: 14px;
        height: 14px;
        margin: -7px;
        border-radius: 50%;
        background: #fff;
        box-shadow: 0 1px 4px rgb(0 0 0 / 50%);
        transform: scale(0);
        transition: transform 0.12s;
      }
      :host(:hover) .knob,
      :host(:focus-visible) .knob,
      :host([dragging]) .knob {
        transform: scale(1);
      }
      .preview {
        position: absolute;
        bottom: 28px;
        transform: translateX(-50%);
        pointer-events: none;
        text-align: center;
        font: 600 12.5px/1 var(--font, system-ui);
        font-variant-numeric: tabular-nums;
        text-shadow: 0 1px 3px #000;
      }
      .picture {
        margin-bottom: 8px;
        border-radius: 8px;
        border: 2px solid rgb(255 255 255 / 90%);
        background-color: #000;
        background-repeat: no-repeat;
        box-shadow: 0 8px 24px rgb(0 0 0 / 60%);
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.tabIndex = 0;
    this.role = "slider";
    this.ariaLabel = "Seek";
    this.addEventListener("pointerdown", this.down);
    this.addEventListener("pointermove", this.move);
    this.addEventListener("pointerup", this.up);
    this.addEventListener("pointercancel", this.up);
    this.addEventListener("pointerleave", this.leave);
  }

  private get start(): number {
    return extent(this.state)[0];
  }

  private get length(): number {
    return extent(this.state)[1];
  }

  /** The fraction 0…1 up to which one can seek: nothing behind it is uploaded. */
  private get reach(): number {
    return this.length && !this.state.live ? clamp(this.state.edge / this.length, 0, 1) : 1;
  }

  private timeAt(event: PointerEvent): number {
    const box = this.getBoundingClientRect();
    return this.start + clamp((event.clientX - box.left) / box.width, 0, this.reach) * this.length;
  }

  private readonly down = (event: PointerEvent): void => {
    if (event.button !== 0 || !this.length) return;
    this.setPointerCapture(event.pointerId);
    this.dragging = this.timeAt(event);
    this.toggleAttribute("dragging", true);
    ask(this, { type: "seek", to: this.dragging });
  };

  private readonly move = (event: PointerEvent): void => {
    this.hover = this.timeAt(event);
    if (this.dragging !== undefined) this.dragging = this.hover;
  };

  private readonly up = (): void => {
    if (this.dragging !== undefined) ask(this, { type: "seek", to: this.dragging });
    this.dragging = undefined;
    this.toggleAttribute("dragging", false);
  };

  private readonly leave = (): void => {
    this.hover = undefined;
  };

  override updated(): void {
    const { live, time } = this.state;
    this.ariaValueMin = String(Math.floor(this.start));
    this.ariaValueMax = String(Math.floor(this.start + this.length));
    this.ariaValueNow = String(Math.floor(time));
    if (live) {
      this.ariaValueText = this.state.follows ? "live" : `${spoken(live.target - time)} behind live`;
      return;
    }
    const edge = this.reach < 1 ? `, uploaded to ${spoken(this.state.edge)}` : "";
    this.ariaValueText = `${spoken(time)} of ${spoken(this.length)}${edge}`;
  }

  private preview(time: number): TemplateResult {
    const tile = tileAt(this.tiles, time);
    const scale = tile ? Math.min(1, 176 / Math.max(tile.width, tile.height * 1.78)) : 1;
    const half = tile ? (tile.width * scale) / 2 + 4 : 24;
    const at = this.length ? (time - this.start) / this.length : 0;
    const { live } = this.state;
    // Scaled by zoom, so that neither the sheet's size nor its number of columns has to be known.
    const picture = tile
      ? html`<div
          class="picture"
          style="width:${tile.width}px;height:${tile.height}px;zoom:${scale};background-image:url(&quot;${tile.url}&quot;);background-position:-${tile.x}px -${tile.y}px"
        ></div>`
      : nothing;
    return html`<div class="preview" style="left:clamp(${half}px, ${at * 100}%, calc(100% - ${half}px))">
      ${picture}${live ? `−${clock(live.target - time)}` : clock(time)}${this.reach < 1 && at >= this.reach ? " · uploaded to here" : ""}
    </div>`;
  }

  override render(): TemplateResult {
    const { length, start: from } = this;
    const time = this.dragging ?? this.state.time;
    const part = (second: number): number => clamp((second - from) / length, 0, 1);
    const edge = this.state.live && this.state.follows && this.dragging === undefined;
    const share = edge ? 100 : length ? part(time) * 100 : 0;
    const bar = (kind: string, start: number, end: number): TemplateResult =>
      html`<i class=${kind} style="left:${start * 100}%;width:${(end - start) * 100}%"></i>`;
    return html`<div class="rail">
        ${this.coverage?.map(([start, end]) => bar("encoded", start, end))}
        ${length ? this.state.buffered.map(([start, end]) => bar("buffered", part(start), part(end))) : nothing}
        ${this.reach < 1 ? html`<i class="unreached" style="left:${this.reach * 100}%"></i>` : nothing}
        <i class="played ${edge ? "live" : ""}" style="width:${share}%"></i>
      </div>
      ${this.reach < 1
        ? html`<i class="edge" style="left:${this.reach * 100}%" title="Uploaded to ${clock(this.state.edge)}"></i>`
        : nothing}
      <slot></slot>
      <div class="knob" style="left:${share}%"></div>
      ${this.hover !== undefined && length ? this.preview(this.hover) : nothing}`;
  }
}
