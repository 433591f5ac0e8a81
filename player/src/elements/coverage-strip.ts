/** A thin strip that shows which minutes are encoded at which rung: one row for each, the tallest on top. */
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import { type Coverage, type Rung, stored } from "../api/asset";
import { fractions } from "../store/spans";

@customElement("coverage-strip")
export class CoverageStrip extends LitElement {
  @property({ attribute: false }) rungs: readonly Rung[] = [];
  @property({ attribute: false }) coverage: Coverage = {};
  @property({ type: Boolean, reflect: true }) named = false;

  static override styles = css`
    :host {
      display: block;
    }
    .row {
      display: grid;
      grid-template-columns: 1fr;
      align-items: center;
      gap: 12px;
    }
    :host([named]) .row {
      grid-template-columns: 52px 1fr 56px;
      font-size: 12.5px;
      color: var(--dim, #9aa4b5);
      font-variant-numeric: tabular-nums;
    }
    .rail {
      position: relative;
      height: 3px;
      margin: 1px 0;
      border-radius: 1px;
      background: rgb(255 255 255 / 8%);
      overflow: hidden;
    }
    :host([named]) .rail {
      height: 6px;
      border-radius: 3px;
      margin: 5px 0;
    }
    i {
      position: absolute;
      top: 0;
      bottom: 0;
      transition: width 0.3s;
    }
    .done {
      text-align: right;
    }
  `;

  private row(rung: Rung, index: number, count: number): TemplateResult {
    const known = rung.copied ? undefined : this.coverage[rung.name];
    const runs = known ?? (rung.done ? [[0, rung.done - 1] as [number, number]] : []);
    const strength = count < 2 ? 100 : 100 - (55 * index) / (count - 1);
    const colour = `color-mix(in oklab, var(--good, #57d3a0) ${strength}%, #26506a)`;
    const spans = fractions(runs, rung.segments);
    const sound = rung.name.includes("surround") ? "5.1" : "Audio";
    const name = rung.kind === "audio" ? sound : `${Math.min(rung.width, rung.height)}p`;
    const share = rung.segments ? Math.floor((stored(rung, this.coverage) / rung.segments) * 100) : 0;
    return html`<div class="row">
      ${this.named ? html`<span>${name}</span>` : ""}
      <div class="rail">
        ${spans.map(
          ([start, end]) =>
            html`<i style="left:${start * 100}%;width:${(end - start) * 100}%;background:${colour}"></i>`,
        )}
      </div>
      ${this.named ? html`<span class="done">${rung.copied ? "original" : `${share} %`}</span>` : ""}
    </div>`;
  }

  override render(): TemplateResult {
    const kinds = this.named ? ["video", "audio"] : ["video"];
    let rows = this.rungs.filter(({ kind }) => kinds.includes(kind));
    if (!rows.length) rows = this.rungs.filter(({ kind }) => kind === "audio");
    rows = [...rows].sort((a, b) => b.height - a.height);
    const done = this.rungs.reduce((sum, rung) => sum + stored(rung, this.coverage), 0);
    const all = this.rungs.reduce((sum, rung) => sum + rung.segments, 0);
    const percent = all ? Math.floor((done / all) * 100) : 0;
    return html`<div role="img" aria-label="${percent} % encoded">
      ${rows.map((rung, index) => this.row(rung, index, rows.length))}
    </div>`;
  }
}
