import { silentLogger } from "../../src/bus/logger.ts";
import { DataPlane, TensorStore } from "../../src/data/mod.ts";
import { type JoinedSidecar, joinSidecar } from "../../src/worker/session/join-sidecar.ts";
import type { Session } from "../../src/worker/session/session.ts";
import type { SidecarHome } from "../../src/worker/session/sidecar-home.ts";
import type { SidecarLink } from "../../src/worker/session/sidecar-link.ts";

/** What a worker makes of a sidecar, without operators and bus. */
export class Attached implements AsyncDisposable {
  readonly plane: DataPlane;
  readonly store: TensorStore;
  readonly link: SidecarLink;
  readonly home: SidecarHome;

  private constructor(plane: DataPlane, store: TensorStore, { link, home }: JoinedSidecar) {
    this.plane = plane;
    this.store = store;
    this.link = link;
    this.home = home;
  }

  static async to(socket: string): Promise<Attached> {
    const data = new DataPlane();
    const store = new TensorStore({ node: `own-${crypto.randomUUID()}` });
    data.addStore(store);
    const sidecar = `unix:${socket}`;
    return new Attached(
      data,
      store,
      await joinSidecar({ sidecar, segmentBytes: 0, name: "test", data, store, logger: silentLogger }),
    );
  }

  /** The session. */
  get session(): Session {
    const { session } = this.link;
    if (session === undefined) throw new Error("There is no session");
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.plane.close();
    await this.link.close();
    await this.store.close();
  }
}
