/** The library: a grid of cards, and a page that takes files wherever they are dropped. */
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { Api } from "../api/client";
import { openControl } from "../channel/open";
import { Follow } from "../store/follow";
import { Library, type LibraryRequest, type LibraryState, listed } from "../store/library";
import { shared } from "../styles/shared";
import { startUpload } from "../upload/tus";
import "./asset-card";
import { cross, play } from "./icons";
import { broadcast, pulse, search, upload } from "./owner-icons";
import { libraryStyles } from "./library-page.styles";
import type { RequestEvent } from "./request";
import "./token-form";
import "./upload-card";

@customElement("library-page")
export class LibraryPage extends LitElement {
  @state() private over = false;
  private readonly control = openControl((link) => this.library.store.set({ link }));
  private readonly library: Library = new Library(
    new Api(),
    this.control,
    startUpload,
    new URLSearchParams(location.search).get("stream") ?? "",
  );
  private readonly follow = new Follow(this, this.library.store);
  private depth = 0;

  static override styles = [shared, libraryStyles];

  override connectedCallback(): void {
    super.connectedCallback();
    this.library.begin();
    addEventListener("dragenter", this.entered);
    addEventListener("dragleave", this.left);
    addEventListener("dragover", this.hovering);
    addEventListener("drop", this.dropped);
    addEventListener("keydown", this.keys);
    addEventListener("online", this.online);
    addEventListener("pagehide", this.leaving);
    addEventListener("beforeunload", this.warn);
  }

  private send(request: LibraryRequest): void {
    this.library.store.dispatch(request);
  }

  private readonly leaving = (): void => this.library.settle();
  private readonly online = (): void => this.control.wake();

  private readonly warn = (event: BeforeUnloadEvent): void => {
    if (this.follow.state.uploads.some(({ state: now }) => now === "sending")) event.preventDefault();
  };

  private files(event: DragEvent): boolean {
    return event.dataTransfer?.types.includes("Files") ?? false;
  }

  private readonly entered = (event: DragEvent): void => {
    if (!this.files(event)) return;
    this.depth += 1;
    this.over = true;
  };

  private readonly left = (event: DragEvent): void => {
    if (!this.files(event)) return;
    this.depth -= 1;
    this.over = this.depth > 0;
  };

  private readonly hovering = (event: DragEvent): void => {
    if (this.files(event)) event.preventDefault();
  };

  private readonly dropped = (event: DragEvent): void => {
    if (!this.files(event)) return;
    event.preventDefault();
    this.depth = 0;
    this.over = false;
    this.send({ type: "upload", files: [...(event.dataTransfer?.files ?? [])] });
  };

  private readonly keys = (event: KeyboardEvent): void => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey) return;
    if (event.composedPath()[0] instanceof HTMLInputElement) return;
    event.preventDefault();
    this.renderRoot.querySelector<HTMLInputElement>(".seek input")?.focus();
  };

  private picked(event: Event): void {
    const input = event.target as HTMLInputElement;
    this.send({ type: "upload", files: [...(input.files ?? [])] });
    input.value = "";
  }

  private browse(): void {
    this.renderRoot.querySelector<HTMLInputElement>("input[type=file]")?.click();
  }

  private cards(now: Readonly<LibraryState>): TemplateResult {
    const gone = new Set(now.leaving.map(({ id }) => id));
    const wanted = now.filter.trim().toLowerCase();
    const fits = (title: string): boolean => title.toLowerCase().includes(wanted);
    const uploads = now.stream ? [] : now.uploads.filter(({ name, asset }) => fits(name) && !(asset && gone.has(asset)));
    const assets = listed(now);
    if (!uploads.length && !assets.length) {
      if (now.stream && !wanted) return html`<p class="none">Nothing of this stream is here.</p>`;
      return wanted ? html`<p class="none">Nothing is called “${now.filter}”.</p>` : this.invitation();
    }
    return html`${now.stream ? this.ofStream(now.stream) : nothing}
      <div class="grid">
        ${repeat(
          uploads,
          ({ key }) => key,
          (each) => html`<upload-card
            .upload=${each}
            .asset=${now.assets.find(({ id }) => id === each.asset)}
            .coverage=${each.asset ? now.coverage[each.asset] : undefined}
          ></upload-card>`,
        )}
        ${repeat(
          assets,
          ({ id }) => id,
          (asset) => html`<asset-card .asset=${asset} .coverage=${now.coverage[asset.id]}></asset-card>`,
        )}
      </div>
      ${now.next ? html`<button class="button more" @click=${() => this.send({ type: "more" })}>Show more</button>` : nothing}`;
  }

  private invitation(): TemplateResult {
    return html`<section class="invite">
      <span class="up">${upload}</span>
      <h2>Drop a video here</h2>
      <p>Anywhere on this page. You can watch it while it is still uploading.</p>
      <button class="button main" @click=${this.browse}>Choose files</button>
    </section>`;
  }

  private ofStream(stream: string): TemplateResult {
    return html`<p class="of">
      Broadcasts of one stream
      <a class="button" href="/watch/${stream}">${broadcast} Its page</a>
      <a class="button" href="/">${cross} Show everything</a>
    </p>`;
  }

  private toasts(now: Readonly<LibraryState>): TemplateResult {
    return html`<div class="toasts" role="status">
      ${now.leaving.map(
        ({ id, title }) => html`<div class="toast">
          <span>Deleted “${title}”</span>
          <button class="button" @click=${() => this.send({ type: "undo", id })}>Undo</button>
        </div>`,
      )}
      ${now.trouble && !now.signedOut
        ? html`<div class="toast bad">
            <span>${now.trouble}</span>
            <button class="icon" aria-label="Close" @click=${() => this.send({ type: "hush" })}>${cross}</button>
          </div>`
        : nothing}
    </div>`;
  }

  override render(): TemplateResult {
    const now = this.follow.state;
    const lost = !now.signedOut && !now.loading && (now.link === "waiting" || now.link === "refused");
    return html`<div @streamer-request=${(event: RequestEvent<LibraryRequest>) => this.send(event.request)}>
      <header>
        <a class="brand" href="/"><span class="mark">${play}</span><span>streamer</span></a>
        <label class="seek">
          <span class="unseen">Filter by title</span>${search}
          <input
            class="field"
            type="search"
            placeholder="Search"
            .value=${now.filter}
            @input=${(event: Event) => this.send({ type: "filter", text: (event.target as HTMLInputElement).value })}
            @keydown=${(event: KeyboardEvent) => event.key === "Escape" && (event.target as HTMLElement).blur()}
          /><kbd aria-hidden="true">/</kbd>
        </label>
        ${lost ? html`<span class="link" role="status">Reconnecting…</span>` : nothing}
        ${now.operator ? html`<a class="icon" href="/live" aria-label="Go live" title="Go live">${broadcast}</a>` : nothing}
        ${now.operator ? html`<a class="icon" href="/operator" aria-label="Operations" title="Operations">${pulse}</a>` : nothing}
        <button class="button main" ?hidden=${now.signedOut} @click=${this.browse}>${upload} Upload</button>
        <input type="file" multiple hidden accept="video/*,audio/*,.mkv,.ts,.m2ts,.mxf" aria-label="Files to upload" @change=${this.picked} />
      </header>
      <main>
        ${now.signedOut
          ? html`<token-form .trouble=${now.trouble}></token-form>`
          : now.loading
            ? html`<div class="grid" aria-busy="true">${[1, 2, 3, 4].map(() => html`<div class="blank"></div>`)}</div>`
            : this.cards(now)}
      </main>
      ${this.toasts(now)}
      ${this.over ? html`<div class="overlay"><div>${upload} Drop to upload</div></div>` : nothing}
    </div>`;
  }
}
