import { describe, expect, it } from 'vitest';
import { clockChanges, instantsOf, isZone, wallClock } from './zone.ts';

const HOUR_MS = 3_600_000;

describe('a time zone', () => {
  it('shows what its clocks show, and knows when that was', () => {
    const noon = Date.UTC(2026, 6, 1, 12);
    expect(wallClock(noon, 'Europe/Berlin')).toBe(noon + 2 * HOUR_MS);
    expect(instantsOf(noon, 'Europe/Berlin')).toEqual([noon - 2 * HOUR_MS]);
    expect(wallClock(noon, 'Asia/Kolkata')).toBe(noon + 5.5 * HOUR_MS);
  });

  it('has no instant for what is skipped, and two for what is repeated', () => {
    expect(instantsOf(Date.UTC(2027, 2, 14, 2, 30), 'America/New_York')).toEqual([]);
    expect(instantsOf(Date.UTC(2027, 10, 7, 1, 30), 'America/New_York')).toEqual([
      Date.UTC(2027, 10, 7, 5, 30),
      Date.UTC(2027, 10, 7, 6, 30),
    ]);
    // Lord Howe moves by half an hour, Cairo skips midnight, Apia left out a whole day.
    expect(instantsOf(Date.UTC(2027, 9, 3, 2, 15), 'Australia/Lord_Howe')).toEqual([]);
    expect(instantsOf(Date.UTC(2027, 3, 30, 0, 0), 'Africa/Cairo')).toEqual([]);
    expect(instantsOf(Date.UTC(2011, 11, 30, 12), 'Pacific/Apia')).toEqual([]);
  });

  it('tells when its clocks are set', () => {
    const year = (zone: string) => clockChanges(Date.UTC(2027, 0, 1), Date.UTC(2028, 0, 1), zone);
    expect(year('America/New_York')).toEqual([
      { at: Date.UTC(2027, 2, 14, 7), before: -5 * HOUR_MS, after: -4 * HOUR_MS },
      { at: Date.UTC(2027, 10, 7, 6), before: -4 * HOUR_MS, after: -5 * HOUR_MS },
    ]);
    expect(year('Australia/Lord_Howe').map(({ before, after }) => after - before)).toEqual([-HOUR_MS / 2, HOUR_MS / 2]);
    expect(year('Asia/Kolkata')).toEqual([]);
  });

  it('is known or not', () => {
    expect(['UTC', 'Europe/Berlin', 'Mars/Olympus', ''].map(isZone)).toEqual([true, true, false, false]);
  });
});
