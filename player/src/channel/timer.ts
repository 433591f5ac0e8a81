/** Time and chance for the control channel, replaceable where both have to be known. */

export interface Timer {
  /** Call back after `ms`; the returned function forgets it. */
  after(ms: number, call: () => void): () => void;
  /** Return a number in [0, 1) that spreads clients which come back together. */
  spread(): number;
}

export const wallTimer: Timer = {
  after(ms, call) {
    const id = setTimeout(call, ms);
    return () => clearTimeout(id);
  },
  spread: Math.random,
};
