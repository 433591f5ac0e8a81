/** Styles that every element uses: buttons, fields, focus, hidden text. */
import { css } from "lit";

export const shared = css`
  :host {
    box-sizing: border-box;
    font: 15px/1.5 var(--font, system-ui, sans-serif);
    color: var(--text, #eceff4);
  }
  :host([hidden]),
  [hidden] {
    display: none !important;
  }
  *,
  *::before,
  *::after {
    box-sizing: inherit;
  }
  button {
    font: inherit;
    color: inherit;
    background: none;
    border: 0;
    padding: 0;
    cursor: pointer;
  }
  a {
    color: inherit;
  }
  :focus {
    outline: none;
  }
  :focus-visible {
    outline: 2px solid var(--accent, #7c9cff);
    outline-offset: 2px;
  }
  svg {
    display: block;
    width: 1em;
    height: 1em;
    fill: currentColor;
  }
  .button {
    display: inline-flex;
    align-items: center;
    gap: 8px;
    height: 36px;
    padding: 0 14px;
    border-radius: 9px;
    background: var(--raised, #1c2028);
    border: 1px solid var(--line, #272c36);
    font-weight: 550;
    font-size: 14px;
    white-space: nowrap;
    text-decoration: none;
    transition:
      background 0.15s,
      border-color 0.15s;
  }
  .button:hover {
    background: #262b35;
    border-color: #39404d;
  }
  .button.main {
    background: var(--accent, #7c9cff);
    border-color: transparent;
    color: var(--accent-ink, #0b1020);
  }
  .button.main:hover {
    background: #93aeff;
  }
  .icon {
    display: inline-grid;
    place-items: center;
    width: 32px;
    height: 32px;
    border-radius: 8px;
    font-size: 18px;
    color: var(--dim, #9aa4b5);
  }
  .icon:hover {
    color: var(--text, #eceff4);
    background: rgb(255 255 255 / 8%);
  }
  .field {
    font: inherit;
    color: inherit;
    height: 36px;
    padding: 0 12px;
    border-radius: 9px;
    border: 1px solid var(--line, #272c36);
    background: var(--surface, #14171d);
    min-width: 0;
  }
  .field::placeholder {
    color: var(--faint, #667085);
  }
  .unseen {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      animation-duration: 0.01ms !important;
      animation-iteration-count: 1 !important;
      transition-duration: 0.01ms !important;
    }
  }
`;
