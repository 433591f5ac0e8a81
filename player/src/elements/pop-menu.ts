/** A button of the player's bar and the list that opens above it. */
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { shared } from "../styles/shared";
import { check } from "./icons";

export interface Choice {
  label: string;
  hint?: string;
  chosen: boolean;
}

/** Emits `pick` with the index of the choice as detail. */
@customElement("pop-menu")
export class PopMenu extends LitElement {
  @property() label = "";
  @property() heading = "";
  @property() note = "";
  @property({ attribute: false }) icon: TemplateResult | string = "";
  @property({ attribute: false }) badge = "";
  @property({ attribute: false }) choices: readonly Choice[] = [];
  @state() private open = false;

  static override styles = [
    shared,
    css`
      :host {
        position: relative;
        display: block;
      }
      .toggle {
        display: inline-flex;
        align-items: center;
        gap: 6px;
        height: 36px;
        padding: 0 8px;
        border-radius: 8px;
        font-size: 20px;
        color: #fff;
      }
      .toggle span {
        font-size: 12.5px;
        font-weight: 600;
        font-variant-numeric: tabular-nums;
      }
      .toggle:hover,
      .toggle[aria-expanded="true"] {
        background: rgb(255 255 255 / 14%);
      }
      .list {
        position: absolute;
        right: 0;
        bottom: 46px;
        min-width: 200px;
        max-height: min(340px, 50vh);
        overflow: auto;
        padding: 6px;
        border-radius: 12px;
        background: rgb(20 23 29 / 96%);
        border: 1px solid rgb(255 255 255 / 10%);
        box-shadow: 0 16px 40px rgb(0 0 0 / 50%);
        animation: rise 0.14s var(--ease, ease-out);
      }
      @keyframes rise {
        from {
          opacity: 0;
          transform: translateY(6px);
        }
      }
      .heading,
      .note {
        padding: 6px 10px;
        font-size: 12px;
        color: var(--dim, #9aa4b5);
        white-space: nowrap;
      }
      .note {
        border-top: 1px solid rgb(255 255 255 / 8%);
        margin-top: 4px;
        padding-top: 8px;
        font-variant-numeric: tabular-nums;
      }
      .choice {
        display: flex;
        align-items: center;
        gap: 10px;
        width: 100%;
        padding: 7px 12px 7px 8px;
        border-radius: 7px;
        text-align: left;
        font-size: 14px;
        white-space: nowrap;
      }
      .choice:hover,
      .choice:focus-visible {
        background: rgb(255 255 255 / 10%);
        outline: none;
      }
      .choice i {
        width: 16px;
        font-size: 16px;
        color: var(--accent, #7c9cff);
      }
      .choice small {
        margin-left: auto;
        padding-left: 16px;
        font-size: 12px;
        color: var(--dim, #9aa4b5);
        font-variant-numeric: tabular-nums;
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("pointerdown", this.outside);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("pointerdown", this.outside);
  }

  private readonly outside = (event: PointerEvent): void => {
    if (this.open && !event.composedPath().includes(this)) this.show(false);
  };

  private show(open: boolean): void {
    this.open = open;
    this.dispatchEvent(new CustomEvent("menu", { detail: open, bubbles: true, composed: true }));
    if (!open) return;
    void this.updateComplete.then(() => {
      const chosen = this.renderRoot.querySelector<HTMLElement>('[aria-checked="true"]');
      (chosen ?? this.renderRoot.querySelector<HTMLElement>(".choice"))?.focus();
    });
  }

  private pick(index: number): void {
    this.show(false);
    this.renderRoot.querySelector<HTMLElement>(".toggle")?.focus();
    this.dispatchEvent(new CustomEvent("pick", { detail: index }));
  }

  private keys(event: KeyboardEvent): void {
    if (!this.open) return;
    const items = [...this.renderRoot.querySelectorAll<HTMLElement>(".choice")];
    const at = items.indexOf(this.renderRoot instanceof ShadowRoot ? (this.renderRoot.activeElement as HTMLElement) : document.body);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) items[(at + step + items.length) % items.length]?.focus();
    else if (event.key === "Escape") {
      this.show(false);
      this.renderRoot.querySelector<HTMLElement>(".toggle")?.focus();
    } else if (event.key !== "Enter" && event.key !== " ") return;
    if (event.key !== "Enter" && event.key !== " ") event.preventDefault();
    event.stopPropagation();
  }

  override render(): TemplateResult {
    return html`<div @keydown=${this.keys}>
      <button
        class="toggle"
        aria-haspopup="menu"
        aria-expanded=${this.open}
        aria-label=${this.label}
        title=${this.label}
        @click=${() => this.show(!this.open)}
      >
        ${this.icon}${this.badge ? html`<span>${this.badge}</span>` : nothing}
      </button>
      ${this.open
        ? html`<div class="list" role="menu" aria-label=${this.label}>
            ${this.heading ? html`<div class="heading">${this.heading}</div>` : nothing}
            ${this.choices.map(
              ({ label, hint, chosen }, index) => html`<button
                class="choice"
                role="menuitemradio"
                aria-checked=${chosen}
                @click=${() => this.pick(index)}
              >
                <i>${chosen ? check : nothing}</i>${label}${hint ? html`<small>${hint}</small>` : nothing}
              </button>`,
            )}
            ${this.note ? html`<div class="note" role="status">${this.note}</div>` : nothing}
          </div>`
        : nothing}
    </div>`;
  }
}
