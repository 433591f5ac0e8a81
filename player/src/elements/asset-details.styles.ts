/** The look of what is below the picture, fetched with it. */
import { css } from "lit";

export const detailsStyles = css`
  :host {
    display: block;
  }
  .note {
    margin: 10px 0 0;
    font-size: 13px;
    color: var(--dim);
  }
  details {
    margin-top: 20px;
    border-radius: var(--radius);
    background: var(--surface);
    border: 1px solid var(--line);
  }
  summary {
    padding: 12px 16px;
    font-weight: 600;
    font-size: 14px;
    cursor: pointer;
    border-radius: var(--radius);
  }
  .panel {
    display: grid;
    gap: 24px;
    grid-template-columns: repeat(auto-fit, minmax(280px, 1fr));
    padding: 4px 16px 18px;
  }
  h3 {
    margin: 0 0 6px;
    font-size: 13px;
    font-weight: 600;
    color: var(--dim);
  }
  ul {
    list-style: none;
    margin: 0 0 10px;
    padding: 0;
    font-size: 14px;
  }
  li {
    display: flex;
    align-items: center;
    justify-content: space-between;
  }
  form {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
  }
  form .field {
    width: 84px;
    flex: 1;
  }
  form input[type="file"] {
    display: none;
  }
`;
