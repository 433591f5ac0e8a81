/** The small form for the access token. */
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import { shared } from "../styles/shared";
import { ask } from "./request";

@customElement("token-form")
export class TokenForm extends LitElement {
  @property() trouble = "";

  static override styles = [
    shared,
    css`
      form {
        max-width: 420px;
        margin: 14vh auto 0;
        padding: 28px;
        border-radius: 16px;
        background: var(--surface, #14171d);
        border: 1px solid var(--line, #272c36);
      }
      h2 {
        margin: 0 0 6px;
        font-size: 19px;
      }
      p {
        margin: 0 0 18px;
        color: var(--dim, #9aa4b5);
      }
      div {
        display: flex;
        gap: 8px;
      }
      input {
        flex: 1;
      }
      .trouble {
        margin: 12px 0 0;
        color: var(--bad, #ff7b7b);
      }
    `,
  ];

  override firstUpdated(): void {
    this.renderRoot.querySelector<HTMLElement>("[name=token]")?.focus();
  }

  private submit(event: SubmitEvent): void {
    event.preventDefault();
    const token = new FormData(event.target as HTMLFormElement).get("token");
    ask(this, { type: "signIn", token: String(token ?? "").trim() });
  }

  override render(): TemplateResult {
    return html`<form @submit=${this.submit}>
      <h2>Sign in</h2>
      <p>Paste your access token. <code>streamer token create</code> makes one.</p>
      <div>
        <input name="username" autocomplete="username" value="streamer" hidden />
        <input class="field" name="token" type="password" autocomplete="current-password" required aria-label="Access token" />
        <button class="button main">Sign in</button>
      </div>
      ${this.trouble ? html`<p class="trouble" role="alert">${this.trouble}</p>` : nothing}
    </form>`;
  }
}
