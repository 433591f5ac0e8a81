/** The control channel as the pages use it. */
import { Choosing } from "./choosing";
import { ControlClient, type Link } from "./client";
import { Pulse } from "./pulse";

/** Return a client that connects when it has something to follow; `changed` is told how the connection stands. */
export function openControl(changed: (link: Link) => void): ControlClient {
  return new ControlClient(new Pulse(new Choosing()), undefined, changed);
}
