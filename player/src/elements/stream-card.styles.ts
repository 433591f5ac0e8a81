/** The look of a stream on the go-live page. */
import { css } from "lit";

export const streamCardStyles = css`
  :host {
    display: block;
  }
  article {
    padding: 16px 18px;
    border-radius: var(--radius, 12px);
    background: var(--surface, #14171d);
    border: 1px solid var(--line, #272c36);
  }
  header {
    display: flex;
    align-items: center;
    gap: 14px;
  }
  h2 {
    flex: 1;
    min-width: 0;
    margin: 0;
    font-size: 16px;
  }
  h2 .field {
    width: 100%;
    margin-left: -12px;
    font-weight: 600;
    background: none;
    border-color: transparent;
  }
  h2 .field:hover,
  h2 .field:focus {
    border-color: var(--line, #272c36);
    background: var(--raised, #1c2028);
  }
  .light {
    display: inline-flex;
    align-items: center;
    gap: 8px;
    font-size: 13.5px;
    font-weight: 550;
    white-space: nowrap;
  }
  .light::before {
    content: "";
    width: 10px;
    height: 10px;
    border-radius: 50%;
    background: var(--tone);
    box-shadow: 0 0 0 4px color-mix(in srgb, var(--tone) 22%, transparent);
  }
  .busy::before {
    animation: breathe 1.8s ease-in-out infinite;
  }
  @keyframes breathe {
    50% {
      opacity: 0.45;
    }
  }
  dl {
    display: grid;
    grid-template-columns: max-content 1fr;
    align-items: center;
    gap: 6px 14px;
    margin: 12px 0 0;
    font-size: 14px;
  }
  dt {
    color: var(--dim, #9aa4b5);
  }
  dd {
    display: flex;
    align-items: center;
    gap: 6px;
    min-width: 0;
    margin: 0;
  }
  code {
    padding: 4px 9px;
    border-radius: 7px;
    background: var(--ground, #0c0e12);
    border: 1px solid var(--line, #272c36);
    font-size: 13px;
    overflow-wrap: anywhere;
  }
  .hint {
    margin: 12px 0 0;
    font-size: 13.5px;
    color: var(--dim, #9aa4b5);
  }
  .once {
    display: flex;
    align-items: center;
    justify-content: space-between;
    gap: 14px;
    margin: 12px 0 0;
    padding: 8px 8px 8px 14px;
    border-radius: 10px;
    background: rgb(242 182 90 / 9%);
    border: 1px solid rgb(242 182 90 / 26%);
    font-size: 13.5px;
  }
  footer {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
    margin-top: 16px;
  }
  footer .space {
    flex: 1;
  }
  .sure {
    border-color: var(--bad, #ff7b7b);
    color: var(--bad, #ff7b7b);
  }
  @media (max-width: 620px) {
    header,
    .once {
      flex-direction: column;
      align-items: flex-start;
    }
    h2 {
      width: 100%;
    }
    dl {
      grid-template-columns: 1fr;
    }
  }
`;
