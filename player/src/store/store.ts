/** A state store that stands outside every element: requests come in, effects act, state goes out. */

export interface Reach<S, R> {
  get(): Readonly<S>;
  set(patch: Partial<S>): void;
  dispatch(request: R): void;
}

/** One effect for each kind of request. */
export type Effects<S, R extends { type: string }> = {
  [K in R["type"]]: (request: Extract<R, { type: K }>, reach: Reach<S, R>) => void | Promise<void>;
};

export class Store<S extends object, R extends { type: string }> {
  private state: Readonly<S>;
  private readonly listeners = new Set<(state: Readonly<S>) => void>();
  private readonly reach: Reach<S, R> = {
    get: () => this.state,
    set: (patch) => this.set(patch),
    dispatch: (request) => this.dispatch(request),
  };

  constructor(
    initial: S,
    private readonly effects: Effects<S, R>,
    private readonly failed: (error: unknown) => void = (error) => console.error(error),
  ) {
    this.state = initial;
  }

  getState(): Readonly<S> {
    return this.state;
  }

  /** Merge what differs; listeners hear of it only when something did. */
  set(patch: Partial<S>): void {
    const keys = Object.keys(patch) as (keyof S)[];
    if (!keys.some((key) => !Object.is(this.state[key], patch[key]))) return;
    this.state = { ...this.state, ...patch };
    for (const listener of [...this.listeners]) listener(this.state);
  }

  subscribe(listener: (state: Readonly<S>) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Run the request's effect; what it throws, now or later, goes to `failed`. */
  dispatch(request: R): void {
    const effect = this.effects[request.type as R["type"]] as (r: R, reach: Reach<S, R>) => void | Promise<void>;
    try {
      void Promise.resolve(effect(request, this.reach)).catch(this.failed);
    } catch (error) {
      this.failed(error);
    }
  }
}
