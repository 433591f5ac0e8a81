/** What an owner does with one asset: see its rungs, name it, add captions, encode it anew. */
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Asset, Coverage } from "../api/asset";
import { shared } from "../styles/shared";
import { detailsStyles } from "./asset-details.styles";
import "./coverage-strip";
import { captions, replay } from "./icons";
import { bin } from "./owner-icons";
import { ask } from "./request";

@customElement("asset-details")
export class AssetDetails extends LitElement {
  @property({ attribute: false }) asset!: Asset;
  @property({ attribute: false }) coverage: Coverage = {};

  static override styles = [shared, detailsStyles];

  private async addCaptions(event: Event): Promise<void> {
    const input = event.target as HTMLInputElement;
    const file = input.files?.[0];
    const form = input.form;
    if (!file || !form) return;
    const fields = new FormData(form);
    const language = String(fields.get("language") ?? "").trim() || "und";
    const label = String(fields.get("label") ?? "").trim() || language;
    ask(this, { type: "addCaptions", language, label, text: await file.text() });
    form.reset();
  }

  private captions(): TemplateResult {
    return html`<section>
      <h3>Captions</h3>
      <ul>
        ${this.asset.captions.map(
          ({ label, language }) => html`<li>
            ${label || language}
            <button class="icon" aria-label="Remove ${label}" title="Remove" @click=${() => ask(this, { type: "removeCaptions", language })}>${bin}</button>
          </li>`,
        )}
      </ul>
      <form @submit=${(event: Event) => event.preventDefault()}>
        <input class="field" name="language" placeholder="en" aria-label="Language" maxlength="35" />
        <input class="field" name="label" placeholder="English" aria-label="Label" maxlength="80" />
        <label class="button" tabindex="0">${captions} Add file<input type="file" accept=".vtt,.srt" aria-label="Captions file" @change=${this.addCaptions} /></label>
      </form>
    </section>`;
  }

  /** Say which tracks are served as they came, and why others are not. */
  private originals(): TemplateResult {
    const copied = this.asset.rungs.filter((rung) => rung.copied);
    const names = copied.map(({ kind, width, height }) => (kind === "audio" ? "sound" : `${Math.min(width, height)}p`));
    return html`${names.length ? html`<p class="note">Served untouched, as they were uploaded: ${names.join(", ")}.</p>` : nothing}
    ${(this.asset.uncopied ?? []).map((reason) => html`<p class="note">Not served untouched: ${reason}.</p>`)}`;
  }

  override render(): TemplateResult {
    const { asset } = this;
    const rename = (event: Event): void =>
      ask(this, { type: "title", title: (event.target as HTMLInputElement).value.trim() });
    return html`<details>
      <summary>Details</summary>
      <div class="panel">
        ${asset.live
          ? nothing
          : html`<section>
              <h3>Encoded</h3>
              <coverage-strip named .rungs=${asset.rungs} .coverage=${this.coverage}></coverage-strip>
              ${this.originals()}
            </section>`}
        ${this.captions()}
        <section>
          <h3>Title</h3>
          <form @submit=${(event: Event) => event.preventDefault()}>
            <input class="field" aria-label="Title" maxlength="200" .value=${asset.title} @change=${rename} />
          </form>
          ${asset.state === "complete" && !asset.live
            ? html`<h3 style="margin-top:16px">Encoding</h3>
                <button class="button" @click=${() => ask(this, { type: "reencode" })}>${replay} Encode anew</button>`
            : nothing}
        </section>
      </div>
    </details>`;
  }
}
