/** One asset of the library. */
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { aired, arriving, type Asset, type Coverage, doing, encoded, heights, onAir, uploaded } from "../api/asset";
import { parseStoryboard, type Tile, tileAt } from "../store/storyboard";
import { clock, size } from "../store/words";
import { shared } from "../styles/shared";
import { cardStyles } from "./card.styles";
import "./coverage-strip";
import { replay } from "./icons";
import { bin, film, pen } from "./owner-icons";
import { ask } from "./request";

@customElement("asset-card")
export class AssetCard extends LitElement {
  @property({ attribute: false }) asset!: Asset;
  @property({ attribute: false }) coverage: Coverage | undefined;
  @state() private naming = false;
  @state() private scrub: number | undefined;
  @state() private tiles: readonly Tile[] | undefined;

  static override styles = [
    shared,
    cardStyles,
    css`
      input {
        flex: 1;
        height: 30px;
        padding: 0 8px;
        margin-left: -8px;
        font-weight: 600;
      }
      .cursor {
        position: absolute;
        bottom: 0;
        left: 0;
        height: 3px;
        background: var(--accent, #7c9cff);
      }
      .scrub {
        background-repeat: no-repeat;
        background-color: #000;
      }
    `,
  ];

  private async hovered(event: PointerEvent): Promise<void> {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    this.scrub = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    if (this.tiles || !this.asset.storyboard || this.asset.policy === "signed") return;
    this.tiles = [];
    const response = await fetch(this.asset.storyboard).catch(() => undefined);
    if (response?.ok) this.tiles = parseStoryboard(await response.text(), response.url);
  }

  private picture(): TemplateResult {
    const { duration, policy } = this.asset;
    const poster = policy === "signed" ? null : this.asset.poster; // it would need a token
    const tile = this.scrub !== undefined && duration ? tileAt(this.tiles ?? [], this.scrub * duration) : undefined;
    const zoom = tile ? this.clientWidth / tile.width : 1;
    return html`${poster ? html`<img src=${poster} alt="" loading="lazy" />` : html`<span class="empty">${film}</span>`}
    ${tile
      ? html`<div
            class="scrub"
            style="zoom:${zoom};background-image:url(&quot;${tile.url}&quot;);background-position:-${tile.x}px -${tile.y}px"
          ></div>
          <i class="cursor" style="width:${(this.scrub ?? 0) * 100}%"></i>`
      : nothing}`;
  }

  private badge(): TemplateResult | typeof nothing {
    const { state: now } = this.asset;
    if (now === "complete") return nothing;
    if (this.asset.live && onAir(this.asset)) {
      const waits = this.asset.live.state === "connecting";
      return html`<span class="badge state busy ${waits ? "" : "onair"}" style="--tone:${waits ? "var(--warn)" : "#fff"}">${aired(this.asset.live)}</span>`;
    }
    const upload = ["var(--warn)", `Upload at ${Math.floor(uploaded(this.asset) * 100)} %`, ""];
    const told = {
      uploading: upload,
      probing: ["var(--accent)", "Looking inside", "busy"],
      playable: arriving(this.asset) ? upload : ["var(--good)", `Encoding ${Math.floor(encoded(this.asset, this.coverage) * 100)} %`, "busy"],
      failed: ["var(--bad)", "Failed", ""],
    }[now];
    return html`<span class="badge state ${told[2]}" style="--tone:${told[0]}">${told[1]}</span>`;
  }

  private heading(): TemplateResult {
    const { id, title, playback } = this.asset;
    const done = (event: Event): void => {
      if (!this.naming) return;
      this.naming = false;
      ask(this, { type: "rename", id, title: (event.target as HTMLInputElement).value.trim() });
    };
    const keys = (event: KeyboardEvent): void => {
      if (event.key === "Enter") (event.target as HTMLInputElement).blur();
      if (event.key === "Escape") this.naming = false;
    };
    if (this.naming) {
      return html`<input class="field" aria-label="Title" maxlength="200" .value=${title} @blur=${done} @keydown=${keys} />`;
    }
    return html`<h3 title=${title}>${playback || this.asset.state === "uploading" ? html`<a href="/watch/${id}">${title}</a>` : title}</h3>
      <div class="tools">
        <button class="icon" aria-label="Rename ${title}" title="Rename" @click=${() => this.rename()}>${pen}</button>
        <button class="icon" aria-label="Delete ${title}" title="Delete" @click=${() => ask(this, { type: "delete", id })}>${bin}</button>
      </div>`;
  }

  private rename(): void {
    this.naming = true;
    void this.updateComplete.then(() => this.renderRoot.querySelector("input")?.select());
  }

  private failure(): TemplateResult | typeof nothing {
    const { id, failure } = this.asset;
    if (!failure) return nothing;
    return html`<div class="failure">
      <strong>Failed while ${doing(failure)}</strong>
      <p>${failure.message}</p>
      <button class="button" @click=${() => ask(this, { type: "retry", id })}>${replay} Retry</button>
      ${failure.log.length ? html`<details><summary>Last log lines</summary><pre>${failure.log.join("\n")}</pre></details>` : nothing}
    </div>`;
  }

  private meta(): TemplateResult {
    const { live, policy, state: now, size: all, received, warnings } = this.asset;
    const tallest = heights(this.asset)[0];
    return html`<div class="meta">
      ${live && !onAir(this.asset) ? html`<span><a href="/?stream=${live.stream}" title="All recordings of this stream">Recording</a></span>` : nothing}
      ${now === "uploading" ? html`<span>${size(received)} of ${size(all ?? 0)} · drop the file again to go on</span>` : onAir(this.asset) ? nothing : html`<span>${size(all ?? received)}</span>`}
      ${tallest ? html`<span>${tallest}p</span>` : nothing}
      ${policy === "signed" ? html`<span title="Watched with a playback token">Signed</span>` : nothing}
      ${warnings.length ? html`<span class="warn" title=${warnings.join("\n")}>${warnings.length} ${warnings.length > 1 ? "warnings" : "warning"}</span>` : nothing}
    </div>`;
  }

  override render(): TemplateResult {
    const { id, title, duration, playback, rungs, state: now } = this.asset;
    const inner = html`${this.picture()}${this.badge()}${duration ? html`<span class="badge length">${clock(duration)}</span>` : nothing}`;
    return html`<article aria-label=${title}>
      ${playback
        ? html`<a class="frame" href="/watch/${id}" aria-label="Watch ${title}" @pointermove=${this.hovered} @pointerleave=${() => (this.scrub = undefined)}>${inner}</a>`
        : html`<div class="frame">${inner}</div>`}
      ${now !== "complete" && now !== "failed" && rungs.length && !onAir(this.asset)
        ? html`<coverage-strip .rungs=${rungs} .coverage=${this.coverage ?? {}}></coverage-strip>`
        : nothing}
      <div class="head">${this.heading()}</div>
      ${now === "failed" ? this.failure() : this.meta()}
    </article>`;
  }
}
