/** The operator page: what waits, what runs and where, and what has failed for good. */
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { Api } from "../api/client";
import type { Queue, Run, Urgency, Worker } from "../api/operations";
import { Follow } from "../store/follow";
import { age, Operations, type OperationsRequest, type OperationsState, range, type View } from "../store/operations";
import { remaining } from "../store/words";
import { head } from "../styles/head";
import { shared } from "../styles/shared";
import { back } from "./icons";
import { operatorStyles } from "./operator-page.styles";
import type { RequestEvent } from "./request";
import "./token-form";

const URGENCIES: Record<Urgency, string> = { now: "A viewer waits", soon: "Ahead of viewers", fill: "The rest" };
const VIEWS: readonly [View, string][] = [
  ["open", "Open"],
  ["failed", "Failed"],
  ["done", "Done"],
];
const TONES: Record<string, string> = {
  running: "var(--accent)",
  working: "var(--good)",
  done: "var(--good)",
  draining: "var(--warn)",
  failed: "var(--bad)",
  lost: "var(--bad)",
};
/** A viewer who waits longer than this for a slot waits too long. */
const LATE_S = 2;

@customElement("operator-page")
export class OperatorPage extends LitElement {
  private readonly operations = new Operations(new Api());
  private readonly follow = new Follow(this, this.operations.store);

  static override styles = [shared, head, operatorStyles];

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.seen);
    this.seen();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("visibilitychange", this.seen);
    this.operations.rest();
  }

  private readonly seen = (): void => {
    if (document.hidden) this.operations.rest();
    else this.operations.look();
  };

  private send(request: OperationsRequest): void {
    this.operations.store.dispatch(request);
  }

  private queues(queue: Queue): TemplateResult {
    return html`<div class="queues">
      ${queue.urgencies.map(({ urgency, queued, running, oldest_seconds: oldest, assets_waiting: assets }) => {
        const late = urgency === "now" && (oldest ?? 0) > LATE_S;
        return html`<section class="queue ${late ? "late" : ""}">
          <h3>${URGENCIES[urgency]}</h3>
          <strong>${queued} <span class="unseen">queued</span></strong>
          <p>queued${oldest === null ? "" : `, the oldest for ${remaining(oldest)}`}</p>
          <p>${running} running${assets ? ` · ${assets} ${assets > 1 ? "assets want" : "asset wants"} a slot` : ""}</p>
        </section>`;
      })}
      <section class="queue">
        <h3>Left to make</h3>
        <strong>${queue.segments_left} <span class="unseen">segments</span></strong>
        <p>segments of ${queue.assets.filter((one) => one.segments_left).length} assets</p>
        <p>${queue.assets.reduce((sum, one) => sum + one.viewers_waiting, 0)} requests wait</p>
      </section>
    </div>`;
  }

  private workers(workers: readonly Worker[], now: number): TemplateResult {
    return html`<table>
      <thead>
        <tr><th>Worker</th><th>State</th><th>Busy</th><th>Last seen</th><th>Up</th><th>Encoder</th></tr>
      </thead>
      <tbody>
        ${repeat(
          workers,
          ({ name }) => name,
          (one) => html`<tr>
            <td>${one.name}</td>
            <td>${mark(one.state)}</td>
            <td data-name="Busy">${one.busy} of ${one.slots}${one.urgent ? ` + ${one.urgent}` : ""}</td>
            <td data-name="Seen">${remaining(age(one.seen, now))} ago</td>
            <td data-name="Up">${remaining(age(one.started, now))}</td>
            <td class="wide"><small>${one.encoder} · ${one.version}</small></td>
          </tr>`,
        )}
      </tbody>
    </table>`;
  }

  private runs({ runs, view, now }: Readonly<OperationsState>): TemplateResult {
    if (!runs) return html`<p class="none" aria-busy="true">…</p>`;
    if (!runs.length) return html`<p class="none">${view === "failed" ? "Nothing has failed." : "Nothing here."}</p>`;
    return html`<table>
      <thead>
        <tr><th>Video</th><th>State</th><th>Makes</th><th>Worker</th><th>Age</th><th>Attempts</th></tr>
      </thead>
      <tbody>
        ${repeat(
          runs,
          ({ id }) => id,
          (run) => this.run(run, now),
        )}
      </tbody>
    </table>`;
  }

  private run(run: Run, now: number): TemplateResult {
    const since = run.ended ?? run.started ?? run.created;
    return html`<tr>
      <td class="wide">
        <a href="/watch/${run.asset}">${run.title}</a>
        ${run.failure ? html`<small class="reason">${run.failure}${run.code ? ` (${run.code})` : ""}</small>` : nothing}
      </td>
      <td>${mark(run.state)}<small>${URGENCIES[run.urgency]}</small></td>
      <td>${run.rungs.join(", ")}<small>${range(run)}</small></td>
      <td data-name=${run.worker ? "On" : nothing}>${run.worker ?? ""}</td>
      <td data-name="Age">${remaining(age(since, now))}</td>
      <td data-name="Attempts">${run.attempts}${run.lost ? html`<small>lost ${run.lost}×</small>` : nothing}</td>
    </tr>`;
  }

  override render(): TemplateResult {
    const now = this.follow.state;
    return html`<div @streamer-request=${(event: RequestEvent<OperationsRequest>) => this.send(event.request)}>
      <header><a class="brand" href="/">${back} Library</a></header>
      ${now.signedOut ? html`<token-form .trouble=${now.trouble}></token-form>` : this.body(now)}
    </div>`;
  }

  private body(now: Readonly<OperationsState>): TemplateResult {
    if (now.forbidden) return html`<main><h1>Operations</h1><p>This page is for administrators.</p></main>`;
    return html`<main>
      <h1>Operations</h1>
      ${now.trouble ? html`<p class="trouble" role="status">${now.trouble}</p>` : nothing}
      ${now.queue ? this.queues(now.queue) : nothing}
      <h2>Workers</h2>
      ${this.workers(now.workers, now.now)}
      <h2>Runs</h2>
      <div class="tabs" role="group" aria-label="Which Runs">
        ${VIEWS.map(
          ([view, name]) => html`<button class="button" aria-pressed=${view === now.view} @click=${() => this.send({ type: "view", view })}>
            ${name}
          </button>`,
        )}
      </div>
      ${this.runs(now)}
    </main>`;
  }
}

function mark(state: string): TemplateResult {
  return html`<span class="state" style="--tone:${TONES[state] ?? "var(--dim)"}">${state}</span>`;
}
