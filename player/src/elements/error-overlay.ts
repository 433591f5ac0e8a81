/** What went wrong with playback, and what to do next. */
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Trouble } from "../engine/engine";
import { shared } from "../styles/shared";
import { replay, warning } from "./icons";
import { ask } from "./request";

const ADVICE: Record<Trouble["kind"], string> = {
  network: "Check the connection, then try again. You will go on where you were.",
  media: "Trying again often helps. If it does not, choose another quality.",
  unsupported: "Try a current version of Chrome, Edge, Firefox or Safari.",
  refused: "Its link has ended, or is for another video or place. Ask for a new one, or sign in.",
};

@customElement("error-overlay")
export class ErrorOverlay extends LitElement {
  @property({ attribute: false }) trouble!: Trouble;

  static override styles = [
    shared,
    css`
      :host {
        position: absolute;
        inset: 0;
        z-index: 3;
        display: grid;
        place-items: center;
        background: rgb(6 7 10 / 82%);
        text-align: center;
        padding: 20px;
      }
      .sign {
        display: inline-block;
        font-size: 38px;
        color: var(--warn, #f2b65a);
      }
      h2 {
        margin: 10px 0 4px;
        font-size: 19px;
      }
      p {
        margin: 0 auto 18px;
        color: var(--dim, #9aa4b5);
        max-width: 44ch;
      }
      code {
        display: block;
        margin-top: 16px;
        font-size: 12px;
        color: var(--faint, #667085);
        overflow-wrap: anywhere;
      }
    `,
  ];

  override render(): TemplateResult {
    const { kind, message, detail } = this.trouble;
    return html`<div role="alert">
      <span class="sign">${warning}</span>
      <h2>${message}</h2>
      <p>${ADVICE[kind]}</p>
      ${kind === "unsupported"
        ? nothing
        : html`<button class="button main" @click=${() => ask(this, { type: "retry" })}>${replay} Try again</button>`}
      ${detail ? html`<code>${detail}</code>` : nothing}
    </div>`;
  }
}
