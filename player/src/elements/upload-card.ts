/** A file of this page on its way to the server: plays from the local copy meanwhile. */
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { Asset, Coverage } from "../api/asset";
import type { LocalUpload } from "../store/uploads";
import { remaining, size } from "../store/words";
import { shared } from "../styles/shared";
import { cardStyles } from "./card.styles";
import "./coverage-strip";
import { cross, pause, play, replay, share } from "./icons";
import { ask } from "./request";

@customElement("upload-card")
export class UploadCard extends LitElement {
  @property({ attribute: false }) upload!: LocalUpload;
  @property({ attribute: false }) asset: Asset | undefined;
  @property({ attribute: false }) coverage: Coverage | undefined;

  @state() private playing = false;

  static override styles = [
    shared,
    cardStyles,
    css`
      .preview {
        position: absolute;
        inset: 0;
        width: 100%;
        display: grid;
        place-items: center;
      }
      .preview span {
        display: grid;
        place-items: center;
        width: 48px;
        height: 48px;
        border-radius: 50%;
        font-size: 24px;
        background: rgb(12 14 18 / 62%);
        transition: opacity 0.15s;
      }
      .preview.on span {
        opacity: 0;
      }
      .preview.on:hover span {
        opacity: 1;
      }
      .ready {
        display: inline-flex;
        align-items: center;
        gap: 6px;
        margin-top: 6px;
        font-size: 13px;
        font-weight: 600;
        color: var(--good, #57d3a0);
        text-decoration: none;
      }
      .ready:hover {
        text-decoration: underline;
      }
    `,
  ];

  private toggle(): void {
    const video = this.renderRoot.querySelector("video");
    if (video?.paused) void video.play().catch(() => undefined);
    else video?.pause();
  }

  private figures(): TemplateResult {
    const { sent, size: all, rate, state } = this.upload;
    if (state === "sent") return html`<div class="meta"><span>Uploaded</span><span>preparing to play</span></div>`;
    return html`<div class="meta">
      <span>${size(sent)} of ${size(all)}</span>
      ${rate > 0 ? html`<span>${size(rate)}/s</span><span>${remaining((all - sent) / rate)} left</span>` : nothing}
    </div>`;
  }

  override render(): TemplateResult {
    const { key, name, preview, sent, size: all, state: now, message } = this.upload;
    const percent = all ? Math.floor((sent / all) * 100) : 100;
    const failed = now === "failed";
    const tone = failed ? "var(--bad)" : "var(--accent)";
    const label = failed ? "Stopped" : now === "sent" ? "Preparing" : `Uploading ${percent} %`;
    const asset = this.asset;
    const id = asset?.id ?? this.upload.asset;
    return html`<article aria-label=${name}>
      <div class="frame">
        <video
          src="${preview}#t=2"
          playsinline
          preload="metadata"
          aria-label="Preview of ${name}"
          @play=${() => (this.playing = true)}
          @pause=${() => (this.playing = false)}
        ></video>
        <button class="preview ${this.playing ? "on" : ""}" aria-label="${this.playing ? "Pause" : "Play"} ${name}" @click=${this.toggle}>
          <span>${this.playing ? pause : play}</span>
        </button>
        <span class="badge state ${failed ? "" : "busy"}" style="--tone:${tone}">${label}</span>
      </div>
      <div class="head">
        <h3 title=${name}>${asset?.title ?? name}</h3>
        <div class="tools">
          <button class="icon" aria-label="Stop uploading ${name}" title="Stop" @click=${() => ask(this, asset ? { type: "delete", id: asset.id } : { type: "dismiss", key })}>
            ${cross}
          </button>
        </div>
      </div>
      <div class="progress" role="progressbar" aria-label="Uploaded" aria-valuenow=${percent} aria-valuemin="0" aria-valuemax="100">
        <i style="width:${percent}%"></i>
      </div>
      ${asset?.rungs.length ? html`<coverage-strip .rungs=${asset.rungs} .coverage=${this.coverage ?? {}}></coverage-strip>` : nothing}
      ${failed
        ? html`<div class="failure" role="alert">
            <strong>The upload stopped</strong>
            <p>${message}</p>
            <button class="button" @click=${() => ask(this, { type: "resend", key })}>${replay} Go on</button>
          </div>`
        : this.figures()}
      ${id
        ? html`<a class="ready" href="/watch/${id}" target="_blank" rel="noopener">
            ${share} ${asset?.playback ? "Watch it now" : "Watch while it uploads"}
          </a>`
        : nothing}
    </article>`;
  }
}
