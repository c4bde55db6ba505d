import { type Generated, type Kysely, sql } from 'kysely';
import type { Migration } from '../../store/migrator.ts';

export type GatewayTables = {
  gateway_windows: {
    key: string;
    window_ms: number;
    /** What was given out, by the sixtieth of the window in which it can be used at the latest. */
    buckets: Generated<number[]>;
    counts: Generated<number[]>;
    touched: Generated<Date>;
  };
};

export type GatewayDb = Kysely<GatewayTables>;

export const gatewayMigrations: readonly Migration[] = [
  {
    name: 'gateway/0001-windows',
    async up(db) {
      await sql`create table gateway_windows (
        key text not null, window_ms integer not null, buckets bigint[] not null default '{}',
        counts integer[] not null default '{}', touched timestamptz not null default now(),
        primary key (key, window_ms)) with (fillfactor = 50)`.execute(db);
      // The clock is the store's, so that nodes need not agree on the time. A bucket counts until the last instant in which
      // something of it can be used is a whole window ago: no window ever holds more than its limit, wherever it begins.
      await sql`create function gateway_lease(
        keys text[], windows integer[], limits integer[], wants integer[], debts integer[],
        back_buckets bigint[], backs integer[], lease_ms integer)
      returns table (granted integer, used integer, bucket bigint, reset_ms bigint) language plpgsql as $lease$
      declare
        bs bigint[]; cs integer[]; at_ms bigint; width bigint; present bigint; last integer; place integer;
      begin
        -- What a power failure takes of the last half second does not have to survive it.
        perform set_config('synchronous_commit', 'off', true);
        for i in 1 .. cardinality(keys) loop
          select w.buckets, w.counts into bs, cs from gateway_windows w
            where w.key = keys[i] and w.window_ms = windows[i] for update;
          if not found then
            insert into gateway_windows (key, window_ms) values (keys[i], windows[i]) on conflict do nothing;
            select w.buckets, w.counts into bs, cs from gateway_windows w
              where w.key = keys[i] and w.window_ms = windows[i] for update;
          end if;
          at_ms := (extract(epoch from clock_timestamp()) * 1000)::bigint;
          width := greatest(windows[i] / 60, 1);
          -- Counted by a clock that was ahead and has been put right: that would stand here until its time has come.
          if bs[cardinality(bs)] * width > at_ms + lease_ms + windows[i] then bs := '{}'; cs := '{}'; end if;
          while cardinality(bs) > 0 and (cs[1] = 0 or (bs[1] + 1) * width + windows[i] <= at_ms) loop
            bs := bs[2:]; cs := cs[2:];
          end loop;
          place := array_position(bs, back_buckets[i]);
          if place is not null then cs[place] := greatest(0, cs[place] - backs[i]); end if;
          used := coalesce((select sum(c) from unnest(cs) c), 0) + debts[i];
          granted := greatest(0, least(wants[i], limits[i] - used));
          used := used + granted;
          last := cardinality(bs);
          present := (at_ms + lease_ms) / width;
          if last > 0 then present := greatest(present, bs[last]); end if;
          if granted + debts[i] > 0 then
            if last > 0 and bs[last] = present then cs[last] := cs[last] + granted + debts[i];
            else bs := bs || present; cs := cs || (granted + debts[i]);
            end if;
          end if;
          if granted + debts[i] + backs[i] > 0 then
            update gateway_windows w set buckets = bs, counts = cs, touched = now()
              where w.key = keys[i] and w.window_ms = windows[i];
          end if;
          bucket := present;
          reset_ms := case when cardinality(bs) = 0 then 0 else greatest(0, (bs[1] + 1) * width + windows[i] - at_ms) end;
          return next;
        end loop;
      end $lease$`.execute(db);
    },
  },
];
