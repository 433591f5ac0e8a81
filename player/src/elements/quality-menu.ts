/** The quality menu: what is chosen, and what is really on screen. */
import { html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import { pictures, rungName } from "../store/levels";
import type { PlaybackState } from "../store/playback";
import { bitrate } from "../store/words";
import { gear } from "./icons";
import "./pop-menu";
import { ask } from "./request";

/** Write what plays now: "Auto · 720p · 2.1 Mbit/s · buffer 14 s". */
export function truth(state: PlaybackState): string {
  const shown = state.levels[state.shown];
  return [
    state.level < 0 ? "Auto" : "Fixed",
    shown ? rungName(shown) : "…",
    state.bandwidth ? bitrate(state.bandwidth) : "",
    `buffer ${Math.round(state.ahead)} s`,
  ]
    .filter(Boolean)
    .join(" · ");
}

@customElement("quality-menu")
export class QualityMenu extends LitElement {
  @property({ attribute: false }) state!: PlaybackState;

  override render(): TemplateResult {
    const { levels, level, shown } = this.state;
    const order = pictures(levels, shown);
    const current = levels[shown];
    const choices = [
      ...order.map(({ picture, index }) => ({
        label: rungName(picture),
        hint: picture.bitrate ? bitrate(picture.bitrate) : "",
        chosen: index === level || rungName(picture) === rungName(levels[level] ?? { width: 0, height: 0 }),
      })),
      { label: "Auto", hint: level < 0 && current ? rungName(current) : "", chosen: level < 0 },
    ];
    return html`<pop-menu
      label="Quality"
      .icon=${gear}
      .badge=${current ? rungName(current) : ""}
      .choices=${choices}
      note=${truth(this.state)}
      @pick=${(event: CustomEvent<number>) => ask(this, { type: "level", index: order[event.detail]?.index ?? -1 })}
    ></pop-menu>`;
  }
}
