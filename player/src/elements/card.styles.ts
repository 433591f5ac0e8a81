/** The look that asset cards and upload cards share. */
import { css } from "lit";

export const cardStyles = css`
  :host {
    display: block;
    min-width: 0;
    animation: enter 0.25s var(--ease, ease-out);
  }
  @keyframes enter {
    from {
      opacity: 0;
      transform: scale(0.97);
    }
  }
  .frame {
    position: relative;
    display: block;
    aspect-ratio: 16 / 9;
    border-radius: var(--radius, 12px);
    overflow: hidden;
    background: linear-gradient(160deg, #1a1e27, #12151b);
    border: 1px solid var(--line, #272c36);
    text-decoration: none;
    transition: border-color 0.15s;
  }
  a.frame:hover {
    border-color: #4a5364;
  }
  .frame img,
  .frame video,
  .frame .scrub {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    object-fit: cover;
  }
  .empty {
    position: absolute;
    inset: 0;
    display: grid;
    place-items: center;
    font-size: 34px;
    color: #39404e;
  }
  .badge {
    position: absolute;
    padding: 1px 7px;
    border-radius: 6px;
    background: rgb(8 10 14 / 78%);
    font-size: 12px;
    font-weight: 600;
    font-variant-numeric: tabular-nums;
  }
  .badge.length {
    right: 8px;
    bottom: 8px;
  }
  .badge.state {
    left: 8px;
    top: 8px;
    display: flex;
    align-items: center;
    gap: 6px;
  }
  .badge.state::before {
    content: "";
    width: 7px;
    height: 7px;
    border-radius: 50%;
    background: var(--tone);
  }
  .badge.onair {
    background: rgb(229 57 63 / 92%);
    color: #fff;
  }
  .badge.busy::before {
    animation: pulse 1.4s ease-in-out infinite;
  }
  @keyframes pulse {
    50% {
      opacity: 0.25;
    }
  }
  .head {
    display: flex;
    align-items: flex-start;
    gap: 4px;
    margin-top: 8px;
  }
  h3 {
    flex: 1;
    min-width: 0;
    margin: 4px 0 0;
    font-size: 15px;
    font-weight: 600;
    line-height: 1.35;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  h3 a {
    text-decoration: none;
  }
  .tools {
    display: flex;
    opacity: 0;
    transition: opacity 0.12s;
  }
  :host(:hover) .tools,
  :host(:focus-within) .tools {
    opacity: 1;
  }
  @media (hover: none) {
    .tools {
      opacity: 1;
    }
  }
  .tools .icon {
    width: 28px;
    height: 28px;
    font-size: 16px;
  }
  .meta {
    display: flex;
    flex-wrap: wrap;
    gap: 0 6px;
    font-size: 13px;
    color: var(--dim, #9aa4b5);
    font-variant-numeric: tabular-nums;
  }
  .meta a {
    text-decoration: none;
  }
  .meta a:hover {
    color: var(--text, #eceff4);
    text-decoration: underline;
  }
  .meta span + span::before {
    content: "·";
    margin-right: 6px;
    color: var(--faint, #667085);
  }
  .progress {
    height: 4px;
    margin: 8px 0 6px;
    border-radius: 2px;
    background: rgb(255 255 255 / 8%);
    overflow: hidden;
  }
  .progress i {
    display: block;
    height: 100%;
    border-radius: 2px;
    background: var(--accent, #7c9cff);
    transition: width 0.25s;
  }
  coverage-strip {
    margin: 7px 0 5px;
  }
  .failure {
    margin-top: 8px;
    padding: 10px 12px;
    border-radius: 10px;
    background: rgb(255 123 123 / 9%);
    border: 1px solid rgb(255 123 123 / 24%);
    font-size: 13px;
  }
  .failure strong {
    color: var(--bad, #ff7b7b);
  }
  .failure p {
    margin: 2px 0 8px;
    overflow-wrap: anywhere;
  }
  .failure details {
    margin-top: 8px;
    color: var(--dim, #9aa4b5);
  }
  .failure summary {
    cursor: pointer;
  }
  .failure pre {
    margin: 6px 0 0;
    max-height: 140px;
    overflow: auto;
    font-size: 11.5px;
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .failure .button {
    height: 30px;
    font-size: 13px;
  }
  .warn {
    color: var(--warn, #f2b65a);
  }
`;
