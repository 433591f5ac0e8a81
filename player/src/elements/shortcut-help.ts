/** The list of keyboard shortcuts. */
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { HELP } from "../store/keys";
import { shared } from "../styles/shared";
import { cross } from "./icons";

/** Emits `close`. */
@customElement("shortcut-help")
export class ShortcutHelp extends LitElement {
  static override styles = [
    shared,
    css`
      :host {
        position: absolute;
        inset: 0;
        z-index: 4;
        display: grid;
        place-items: center;
        background: rgb(0 0 0 / 60%);
        overflow: auto;
        padding: 12px;
      }
      section {
        width: min(640px, 100%);
        padding: 18px 22px 20px;
        border-radius: 14px;
        background: rgb(20 23 29 / 97%);
        border: 1px solid rgb(255 255 255 / 10%);
      }
      header {
        display: flex;
        justify-content: space-between;
        align-items: center;
        margin-bottom: 10px;
      }
      h2 {
        margin: 0;
        font-size: 16px;
      }
      dl {
        display: grid;
        grid-template-columns: repeat(2, max-content 1fr);
        gap: 7px 12px;
        margin: 0;
        font-size: 13.5px;
      }
      dt {
        font-weight: 600;
        text-align: right;
      }
      dd {
        margin: 0;
        color: var(--dim, #9aa4b5);
      }
      @media (max-width: 560px) {
        dl {
          grid-template-columns: max-content 1fr;
        }
      }
    `,
  ];

  override firstUpdated(): void {
    this.renderRoot.querySelector("button")?.focus();
  }

  override render(): TemplateResult {
    const close = (): boolean => this.dispatchEvent(new Event("close"));
    return html`<section role="dialog" aria-modal="true" aria-label="Keyboard shortcuts">
      <header>
        <h2>Keyboard shortcuts</h2>
        <button class="icon" aria-label="Close" @click=${close}>${cross}</button>
      </header>
      <dl>${HELP.map(([keys, meaning]) => html`<dt>${keys}</dt><dd>${meaning}</dd>`)}</dl>
    </section>`;
  }
}
