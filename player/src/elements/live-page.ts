/** The go-live page: make a stream, give its key to a program that sends, see whether that arrives. */
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { Api } from "../api/client";
import { openControl } from "../channel/open";
import { Follow } from "../store/follow";
import { Streams, type StreamsRequest, type StreamsState } from "../store/streams";
import { head } from "../styles/head";
import { shared } from "../styles/shared";
import { toast } from "../styles/toast";
import { back } from "./icons";
import { broadcast } from "./owner-icons";
import type { RequestEvent } from "./request";
import "./stream-card";
import "./token-form";

@customElement("live-page")
export class LivePage extends LitElement {
  private readonly control = openControl((link) => this.streams.store.set({ link }));
  private readonly streams: Streams = new Streams(new Api(), this.control);
  private readonly follow = new Follow(this, this.streams.store);

  static override styles = [
    shared,
    head,
    toast,
    css`
      :host {
        display: block;
        max-width: 860px;
        margin: 0 auto;
        padding: 12px clamp(16px, 4vw, 32px) 64px;
      }
      .link {
        margin-left: auto;
        font-size: 13px;
        color: var(--warn);
      }
      h1 {
        margin: 12px 0 4px;
        font-size: 22px;
        letter-spacing: -0.01em;
      }
      .lead {
        margin: 0 0 18px;
        color: var(--dim);
      }
      form {
        display: flex;
        gap: 8px;
        margin-bottom: 20px;
      }
      form .field {
        flex: 1;
        max-width: 420px;
      }
      .list {
        display: grid;
        gap: 14px;
      }
      .none {
        padding: 9vh 0;
        text-align: center;
        color: var(--dim);
      }
      .none svg {
        margin: 0 auto 10px;
        font-size: 42px;
        color: #39404e;
      }
      .more {
        display: flex;
        margin: 24px auto 0;
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.streams.begin();
    addEventListener("online", this.online);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("online", this.online);
  }

  private readonly online = (): void => this.control.wake();

  private send(request: StreamsRequest): void {
    this.streams.store.dispatch(request);
  }

  private create(event: SubmitEvent): void {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    this.send({ type: "create", title: String(new FormData(form).get("title") ?? "") });
    form.reset();
  }

  private body(now: Readonly<StreamsState>): TemplateResult {
    if (now.forbidden) return html`<main><h1>Go live</h1><p>This page is for administrators.</p></main>`;
    return html`<main>
      <h1>Go live</h1>
      <p class="lead">A stream is a lasting address with a key. Whoever sends with the key is on air there, and each broadcast stays as a recording.</p>
      <form @submit=${this.create}>
        <input class="field" name="title" placeholder="Title of a new stream" aria-label="Title of a new stream" maxlength="200" />
        <button class="button main">${broadcast} New stream</button>
      </form>
      <div class="list">
        ${repeat(
          now.streams,
          ({ id }) => id,
          (stream) => html`<stream-card .stream=${stream} .key=${now.keys[stream.id] ?? ""}></stream-card>`,
        )}
      </div>
      ${now.loading || now.streams.length ? nothing : html`<div class="none">${broadcast}There is no stream yet.</div>`}
      ${now.next ? html`<button class="button more" @click=${() => this.send({ type: "more" })}>Show more</button>` : nothing}
    </main>`;
  }

  override render(): TemplateResult {
    const now = this.follow.state;
    const lost = now.streams.length > 0 && (now.link === "waiting" || now.link === "refused");
    return html`<div @streamer-request=${(event: RequestEvent<StreamsRequest>) => this.send(event.request)}>
      <header>
        <a class="brand" href="/">${back} Library</a>
        ${lost ? html`<span class="link" role="status">Reconnecting…</span>` : nothing}
      </header>
      ${now.signedOut ? html`<token-form .trouble=${now.trouble}></token-form>` : this.body(now)}
      ${now.said ? html`<div class="said" role="status" @animationend=${() => this.send({ type: "say", text: "" })}>${now.said}</div>` : nothing}
    </div>`;
  }
}
