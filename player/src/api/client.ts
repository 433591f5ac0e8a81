/** The server's JSON API, one function for each thing a page asks. */
import type { Asset } from "./asset";
import type { Keyed, StreamPage } from "./stream";
import type { Queue, Run, RunState, Told, Worker } from "./operations";

const ROOT = "/api/v1";

/** An answer that is not a success, as application/problem+json tells it. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(detail || title);
  }
}

/** The server did not answer at all. */
export class Unreachable extends Error {
  constructor() {
    super("The server does not answer. Check the connection.");
  }
}

async function call(method: string, path: string, body?: BodyInit, type?: string): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (type) headers["Content-Type"] = type;
  let response: Response;
  try {
    response = await fetch(`${ROOT}${path}`, { method, headers, credentials: "same-origin", ...(body === undefined ? {} : { body }) });
  } catch {
    throw new Unreachable();
  }
  if (response.ok) return response;
  const told = (await response.json().catch(() => ({}))) as { title?: string; detail?: string };
  throw new Problem(response.status, told.title ?? response.statusText, told.detail ?? "");
}

const JSON_TYPE = "application/json";
const named = (id: string): string => `/assets/${encodeURIComponent(id)}`;
const streamed = (id: string): string => `/live/${encodeURIComponent(id)}`;

export interface Page {
  items: Asset[];
  next: string | null;
}

export class Api {
  async list(cursor: string | null = null, limit = 60): Promise<Page> {
    const query = new URLSearchParams({ limit: String(limit), ...(cursor ? { cursor } : {}) });
    return (await (await call("GET", `/assets?${query}`)).json()) as Page;
  }

  async show(id: string): Promise<Asset> {
    return (await (await call("GET", named(id))).json()) as Asset;
  }

  async rename(id: string, title: string): Promise<void> {
    await call("PATCH", named(id), JSON.stringify({ title }), JSON_TYPE);
  }

  async remove(id: string): Promise<void> {
    await call("DELETE", named(id));
  }

  /** Get a playback token for who has signed in. */
  async playbackToken(id: string): Promise<string> {
    return ((await (await call("POST", `${named(id)}/playback-tokens`)).json()) as { token: string }).token;
  }

  async retry(id: string): Promise<void> {
    await call("POST", `${named(id)}/retry`);
  }

  async reencode(id: string): Promise<void> {
    await call("POST", `${named(id)}/reencode`);
  }

  async putCaptions(id: string, language: string, label: string, text: string): Promise<void> {
    const query = new URLSearchParams({ label });
    await call("PUT", `${named(id)}/captions/${encodeURIComponent(language)}?${query}`, text, "text/vtt");
  }

  async removeCaptions(id: string, language: string): Promise<void> {
    await call("DELETE", `${named(id)}/captions/${encodeURIComponent(language)}`);
  }

  async streams(cursor: string | null = null, limit = 50): Promise<StreamPage> {
    const query = new URLSearchParams({ limit: String(limit), ...(cursor ? { cursor } : {}) });
    return (await (await call("GET", `/live?${query}`)).json()) as StreamPage;
  }

  async createStream(title: string): Promise<Keyed> {
    return (await (await call("POST", "/live", JSON.stringify({ title }), JSON_TYPE)).json()) as Keyed;
  }

  async renameStream(id: string, title: string): Promise<void> {
    await call("PATCH", streamed(id), JSON.stringify({ title }), JSON_TYPE);
  }

  /** Trade the stream's key for another one. */
  async rotateKey(id: string): Promise<Keyed> {
    return (await (await call("POST", `${streamed(id)}/key`)).json()) as Keyed;
  }

  async endBroadcast(id: string): Promise<void> {
    await call("POST", `${streamed(id)}/end`);
  }

  async removeStream(id: string): Promise<void> {
    await call("DELETE", streamed(id));
  }

  async runs(states: readonly RunState[], limit: number): Promise<Told<Run>> {
    const query = new URLSearchParams([...states.map((state) => ["state", state]), ["limit", String(limit)]]);
    return (await (await call("GET", `/runs?${query}`)).json()) as Told<Run>;
  }

  async queue(): Promise<Queue> {
    return (await (await call("GET", "/queue")).json()) as Queue;
  }

  async workers(): Promise<Told<Worker>> {
    return (await (await call("GET", "/workers")).json()) as Told<Worker>;
  }

  /** Return what the caller may do: "public", "viewer" or "admin". */
  async role(): Promise<string> {
    return ((await (await call("GET", "/session")).json()) as { role: string }).role;
  }

  /** Trade a token for the session's cookie; Problem 401 where it is not accepted. */
  async signIn(token: string): Promise<void> {
    await call("POST", "/session", JSON.stringify({ token }), JSON_TYPE);
  }
}
