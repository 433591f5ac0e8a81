/** The audio menu, shown where there is more than one track. */
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { PlaybackState } from "../store/playback";
import { trackName } from "./caption-menu";
import { note } from "./icons";
import "./pop-menu";
import { ask } from "./request";

@customElement("audio-menu")
export class AudioMenu extends LitElement {
  @property({ attribute: false }) state!: PlaybackState;

  override render(): TemplateResult | typeof nothing {
    const { audioTracks, audioTrack } = this.state;
    if (audioTracks.length < 2) return nothing;
    const choices = audioTracks.map((track, index) => ({ label: trackName(track), chosen: index === audioTrack }));
    return html`<pop-menu
      label="Audio track"
      .icon=${note}
      .choices=${choices}
      @pick=${(event: CustomEvent<number>) => ask(this, { type: "audio", index: event.detail })}
    ></pop-menu>`;
  }
}
