/** The look of the operator page. */
import { css } from "lit";

export const operatorStyles = css`
  :host {
    display: block;
    max-width: 1180px;
    margin: 0 auto;
    padding: 12px clamp(16px, 4vw, 32px) 48px;
  }
  h1 {
    margin: 12px 0 16px;
    font-size: 22px;
    letter-spacing: -0.01em;
  }
  h2 {
    margin: 32px 0 12px;
    font-size: 16px;
  }
  .queues {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(150px, 1fr));
    gap: 12px;
  }
  .queue {
    padding: 14px 16px;
    border-radius: var(--radius);
    background: var(--surface);
    border: 1px solid var(--line);
  }
  .queue h3 {
    margin: 0;
    font-size: 13px;
    font-weight: 600;
    color: var(--dim);
  }
  .queue strong {
    display: block;
    margin: 2px 0;
    font-size: 28px;
    line-height: 1.2;
    font-variant-numeric: tabular-nums;
  }
  .queue p {
    margin: 0;
    font-size: 13px;
    color: var(--dim);
    font-variant-numeric: tabular-nums;
  }
  .late strong {
    color: var(--warn);
  }
  .tabs {
    display: flex;
    gap: 6px;
    margin-bottom: 12px;
  }
  .tabs .button[aria-pressed="true"] {
    border-color: var(--accent);
    color: var(--accent);
  }
  table {
    width: 100%;
    border-collapse: collapse;
    font-size: 14px;
    font-variant-numeric: tabular-nums;
  }
  th {
    text-align: left;
    font-size: 12.5px;
    font-weight: 600;
    color: var(--dim);
    padding: 6px 12px 6px 0;
    border-bottom: 1px solid var(--line);
    white-space: nowrap;
  }
  td {
    padding: 8px 12px 8px 0;
    border-bottom: 1px solid var(--line);
    vertical-align: top;
    overflow-wrap: anywhere;
  }
  td small {
    display: block;
    font-size: 12.5px;
    color: var(--dim);
  }
  .state {
    display: inline-flex;
    align-items: center;
    gap: 7px;
    white-space: nowrap;
  }
  .state::before {
    content: "";
    width: 8px;
    height: 8px;
    border-radius: 50%;
    background: var(--tone, var(--dim));
  }
  .reason {
    color: var(--bad);
  }
  .none {
    color: var(--dim);
    margin: 8px 0;
  }
  .trouble {
    color: var(--warn);
  }
  @media (max-width: 720px) {
    thead {
      position: absolute;
      width: 1px;
      height: 1px;
      overflow: hidden;
      clip-path: inset(50%);
    }
    tr {
      display: grid;
      grid-template-columns: 1fr auto;
      gap: 0 12px;
      padding: 10px 0;
      border-bottom: 1px solid var(--line);
    }
    td {
      border: 0;
      padding: 1px 0;
    }
    td:empty {
      display: none;
    }
    td[data-name]::before {
      content: attr(data-name) " ";
      color: var(--dim);
    }
    td.wide {
      grid-column: 1 / -1;
    }
  }
`;
