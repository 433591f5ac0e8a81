/** How close to the broadcast one watches. */
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Tier } from "../engine/engine";
import type { PlaybackState } from "../store/playback";
import { bolt } from "./icons";
import "./pop-menu";
import { ask } from "./request";

const CHOICES: readonly (readonly [Tier, name: string, hint: string])[] = [
  ["push", "Turbo", "under half a second"],
  ["low", "Low", "one or two seconds"],
  ["normal", "Normal", "some seconds, steadiest"],
];

@customElement("tier-menu")
export class TierMenu extends LitElement {
  @property({ attribute: false }) state!: PlaybackState;

  override render(): TemplateResult | typeof nothing {
    const { engine, fallen, live, tier } = this.state;
    if (!live || engine === "native") return nothing;
    return html`<pop-menu
      label="Delay"
      heading="Delay"
      .icon=${bolt}
      .badge=${tier === "push" ? "Turbo" : ""}
      .choices=${CHOICES.map(([each, label, hint]) => ({ label, hint, chosen: each === tier }))}
      note=${fallen ? `Not turbo, since ${fallen}` : ""}
      @pick=${(event: CustomEvent<number>) => ask(this, { type: "tier", to: CHOICES[event.detail]?.[0] ?? "low" })}
    ></pop-menu>`;
  }
}
