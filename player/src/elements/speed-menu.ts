/** The speed menu. */
import { html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import { type PlaybackState, RATES } from "../store/playback";
import { gauge } from "./icons";
import "./pop-menu";
import { ask } from "./request";

@customElement("speed-menu")
export class SpeedMenu extends LitElement {
  @property({ attribute: false }) state!: PlaybackState;

  override render(): TemplateResult {
    const { rate } = this.state;
    const choices = RATES.map((each) => ({ label: each === 1 ? "Normal" : `${each}×`, chosen: each === rate }));
    return html`<pop-menu
      label="Speed (&lt; &gt;)"
      .icon=${gauge}
      .badge=${rate === 1 ? "" : `${rate}×`}
      .choices=${choices}
      @pick=${(event: CustomEvent<number>) => ask(this, { type: "rate", to: RATES[event.detail] ?? 1 })}
    ></pop-menu>`;
  }
}
