/** What carries the control channel where no WebSocket passes: an event stream, or one request after another. */
export { PollTransport } from "./poll";
export { StreamTransport } from "./stream";
