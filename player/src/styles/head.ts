/** The head of a plain page: the way back, and what is beside it. */
import { css } from "lit";

export const head = css`
  header {
    display: flex;
    align-items: center;
    gap: 16px;
    min-height: 40px;
  }
  .brand {
    display: inline-flex;
    align-items: center;
    gap: 8px;
    text-decoration: none;
    color: var(--dim);
  }
  .brand:hover {
    color: var(--text);
  }
`;
