import { silentLogger } from "../../src/bus/logger.ts";
import { DataPlane, TensorStore } from "../../src/data/mod.ts";
import { pulledHandler, shmHandler } from "../../src/data/way-shm.ts";
import type { Session } from "../../src/worker/session/session.ts";
import { SidecarHome } from "../../src/worker/session/sidecar-home.ts";
import { SidecarLink } from "../../src/worker/session/sidecar-link.ts";

/** What a worker makes of a sidecar, without operators and bus. */
export class Attached implements AsyncDisposable {
  readonly plane: DataPlane = new DataPlane();
  readonly store: TensorStore = new TensorStore({ node: `own-${crypto.randomUUID()}` });
  readonly link: SidecarLink;
  readonly home: SidecarHome;

  private constructor(link: SidecarLink) {
    this.link = link;
    this.home = new SidecarHome(() => link.session, this.store);
    this.plane.addStore(this.store);
    this.plane.addHandler(shmHandler(() => link.session));
    this.plane.addHandler(pulledHandler(() => link.session));
  }

  static async to(socket: string, segmentBytes: number = 0): Promise<Attached> {
    const near: { current?: Session; attached?: Attached } = {};
    const onChange = (session: Session | undefined) => {
      if (near.current !== undefined) near.attached?.plane.removeNear(near.current);
      if (session !== undefined) near.attached?.plane.addNear(session);
      near.current = session;
    };
    const link = await SidecarLink.start({ socket, name: "test", segmentBytes, logger: silentLogger, onChange });
    near.attached = new Attached(link);
    if (near.current !== undefined) near.attached.plane.addNear(near.current);
    return near.attached;
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
