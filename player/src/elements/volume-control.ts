/** Mute button and volume slider, which opens beside it. */
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { PlaybackState } from "../store/playback";
import { shared } from "../styles/shared";
import { silent, speaker } from "./icons";
import { ask } from "./request";

@customElement("volume-control")
export class VolumeControl extends LitElement {
  @property({ attribute: false }) state!: PlaybackState;

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        align-items: center;
      }
      button {
        display: grid;
        place-items: center;
        width: 36px;
        height: 36px;
        border-radius: 8px;
        font-size: 22px;
        color: #fff;
      }
      button:hover {
        background: rgb(255 255 255 / 14%);
      }
      input {
        appearance: none;
        width: 0;
        height: 20px;
        margin: 0;
        opacity: 0;
        background: none;
        cursor: pointer;
        transition:
          width 0.18s var(--ease, ease-out),
          opacity 0.18s;
      }
      :host(:hover) input,
      input:focus-visible {
        width: 76px;
        margin: 0 6px;
        opacity: 1;
      }
      input::-webkit-slider-runnable-track {
        height: 4px;
        border-radius: 2px;
        background: linear-gradient(to right, #fff var(--level), rgb(255 255 255 / 28%) var(--level));
      }
      input::-webkit-slider-thumb {
        appearance: none;
        width: 12px;
        height: 12px;
        margin-top: -4px;
        border-radius: 50%;
        background: #fff;
      }
      input::-moz-range-track {
        height: 4px;
        border-radius: 2px;
        background: linear-gradient(to right, #fff var(--level), rgb(255 255 255 / 28%) var(--level));
      }
      input::-moz-range-thumb {
        width: 12px;
        height: 12px;
        border: 0;
        border-radius: 50%;
        background: #fff;
      }
    `,
  ];

  override render(): TemplateResult {
    const level = this.state.muted ? 0 : this.state.volume;
    const name = level === 0 ? "Unmute (m)" : "Mute (m)";
    return html`<button aria-label=${name} title=${name} @click=${() => ask(this, { type: "mute" })}>
        ${level === 0 ? silent : speaker}
      </button>
      <input
        type="range"
        min="0"
        max="1"
        step="0.05"
        aria-label="Volume"
        style="--level: ${level * 100}%"
        .value=${String(level)}
        @input=${(event: Event) => ask(this, { type: "volume", to: (event.target as HTMLInputElement).valueAsNumber })}
        @keydown=${(event: KeyboardEvent) => event.key.startsWith("Arrow") && event.stopPropagation()}
      />`;
  }
}
