/** The LIVE pill: how late the picture is, and the way back to the live edge. */
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { PlaybackState } from "../store/playback";
import { clock } from "../store/words";
import { shared } from "../styles/shared";
import { ask } from "./request";

/** Write what the pill tells in full. */
export function standing({ live, follows, delay, fallen, time }: Readonly<PlaybackState>): string {
  const behind = live ? Math.max(0, live.target - time) : 0;
  const late = Number.isNaN(delay) ? "" : `${delay.toFixed(1)} seconds after it was sent`;
  const place = follows ? ["Live", late].filter(Boolean).join(", ") : `${clock(behind)} behind live: click to catch up`;
  return fallen ? `${place}. Low delay, since ${fallen}` : place;
}

@customElement("live-pill")
export class LivePill extends LitElement {
  @property({ attribute: false }) state!: PlaybackState;

  static override styles = [
    shared,
    css`
      button {
        display: inline-flex;
        align-items: center;
        gap: 7px;
        height: 26px;
        margin: 0 8px;
        padding: 0 10px;
        border-radius: 999px;
        font-size: 12.5px;
        font-weight: 650;
        letter-spacing: 0.02em;
        font-variant-numeric: tabular-nums;
        white-space: nowrap;
        color: #fff;
        background: rgb(255 255 255 / 16%);
      }
      button:hover {
        background: rgb(255 255 255 / 24%);
      }
      i {
        width: 8px;
        height: 8px;
        border-radius: 50%;
        background: #aab2c0;
      }
      .edge {
        background: rgb(229 57 63 / 88%);
      }
      .edge:hover {
        background: rgb(229 57 63);
      }
      .edge i {
        background: #fff;
        animation: breathe 2.4s ease-in-out infinite;
      }
      span {
        font-weight: 550;
        letter-spacing: 0;
        opacity: 0.92;
      }
      @keyframes breathe {
        50% {
          opacity: 0.35;
        }
      }
    `,
  ];

  override render(): TemplateResult {
    const { live, follows, delay, time } = this.state;
    const behind = live ? Math.max(0, live.target - time) : 0;
    const late = follows ? (Number.isNaN(delay) ? "" : `${delay.toFixed(1)} s`) : `−${clock(behind)}`;
    const told = standing(this.state);
    return html`<button class=${follows ? "edge" : ""} aria-label=${told} title=${told} @click=${() => ask(this, { type: "live" })}>
      <i></i>LIVE${late ? html`<span>${late}</span>` : nothing}
    </button>`;
  }
}
