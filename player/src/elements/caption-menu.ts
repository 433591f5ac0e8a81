/** The captions menu: off, or one of the text tracks. */
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Track } from "../engine/engine";
import type { PlaybackState } from "../store/playback";
import { captions } from "./icons";
import "./pop-menu";
import { ask } from "./request";

/** Name a track by its label, else by its language in the reader's own. */
export function trackName({ label, language }: Track): string {
  if (label && label !== language) return label;
  try {
    return new Intl.DisplayNames(undefined, { type: "language" }).of(language) ?? language;
  } catch {
    return label || language || "Unnamed";
  }
}

@customElement("caption-menu")
export class CaptionMenu extends LitElement {
  @property({ attribute: false }) state!: PlaybackState;

  override render(): TemplateResult | typeof nothing {
    const { textTracks, textTrack } = this.state;
    if (!textTracks.length) return nothing;
    const choices = [
      { label: "Off", chosen: textTrack < 0 },
      ...textTracks.map((track, index) => ({ label: trackName(track), chosen: index === textTrack })),
    ];
    return html`<pop-menu
      label="Captions (c)"
      .icon=${captions}
      .badge=${textTrack >= 0 ? (textTracks[textTrack]?.language ?? "on") : ""}
      .choices=${choices}
      @pick=${(event: CustomEvent<number>) => ask(this, { type: "text", index: event.detail - 1 })}
    ></pop-menu>`;
  }
}
