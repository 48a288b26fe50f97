import type { Cluster } from './cluster.ts';
import { STORM } from './network.ts';
import type { Fault } from './schedule.ts';

/** Makes one thing go wrong, and right again after a while. */
export function breakSomething(cluster: Cluster, fault: Fault): void {
  const { world, network, living } = cluster;
  const victim = 'victim' in fault ? living[fault.victim % Math.max(1, living.length)] : undefined;
  world.note(`FAULT ${victim?.replicaId ?? ''} ${JSON.stringify(fault)}`);
  const replaceIn = (forMs: number): void =>
    void world.at(forMs, () => void cluster.startReplica());
  switch (fault.fault) {
    case 'kill':
      victim?.process.kill();
      replaceIn(fault.forMs);
      return;
    case 'freeze':
      victim?.process.freeze();
      world.at(fault.forMs, () => victim?.process.wake());
      return;
    case 'trap':
      network.trap(fault, (process) => {
        world.note(
          `${process.name} is caught: ${fault.act} ${fault.point} ${fault.port} ${fault.call}`,
        );
        if (fault.act === 'freeze') {
          process.freeze();
          world.at(fault.forMs, () => process.wake());
        } else {
          process.kill();
          replaceIn(fault.forMs);
        }
      });
      return;
    case 'cut':
      if (victim === undefined) return;
      network.setCut(victim.process, fault.server, true);
      world.at(fault.forMs, () => network.setCut(victim.process, fault.server, false));
      return;
    case 'down':
      network.setDown(fault.server, true);
      world.at(fault.forMs, () => network.setDown(fault.server, false));
      return;
    case 'drain':
      void victim?.replica.drain().then(() => victim.process.kill());
      replaceIn(fault.forMs);
      return;
    case 'storm':
      network.weather = STORM;
      world.at(fault.forMs, () => network.calm());
      return;
    case 'jump':
      if (victim !== undefined) victim.process.wallSkewMs += fault.skewMs;
      return;
    case 'all':
      for (const { process } of living) process.kill();
      for (let count = 0; count < 3; count += 1) replaceIn(fault.forMs + count);
  }
}
