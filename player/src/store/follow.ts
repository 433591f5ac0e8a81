/** Tie a Lit element's rendering to a store for as long as the element is in the page. */
import type { ReactiveController, ReactiveControllerHost } from "lit";
import type { Store } from "./store";

export class Follow<S extends object, R extends { type: string }> implements ReactiveController {
  private leave: (() => void) | undefined;

  constructor(
    private readonly host: ReactiveControllerHost,
    readonly store: Store<S, R>,
  ) {
    host.addController(this);
  }

  get state(): Readonly<S> {
    return this.store.getState();
  }

  hostConnected(): void {
    this.leave = this.store.subscribe(() => this.host.requestUpdate());
  }

  hostDisconnected(): void {
    this.leave?.();
  }
}
