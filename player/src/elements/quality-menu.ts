/** The quality menu: what is chosen, and what is really on screen. */
import { html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { PlaybackState } from "../store/playback";
import { bitrate } from "../store/words";
import { gear } from "./icons";
import "./pop-menu";
import { ask } from "./request";

/** Name a rung by its short side, as people know it. */
export function rungName({ width, height }: { width: number; height: number }): string {
  const side = Math.min(width || height, height || width);
  return side ? `${side}p` : "Audio";
}

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
    const order = levels.map((each, index) => ({ each, index })).sort((a, b) => b.each.height - a.each.height || b.each.bitrate - a.each.bitrate);
    const current = levels[shown];
    const choices = [
      ...order.map(({ each, index }) => ({
        label: rungName(each),
        hint: each.bitrate ? bitrate(each.bitrate) : "",
        chosen: index === level,
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
