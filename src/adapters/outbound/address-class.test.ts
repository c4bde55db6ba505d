import { describe, expect, it } from 'vitest';
import { classifyAddress } from './address-class.ts';

describe('classifyAddress', () => {
  it.each([
    '8.8.8.8',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '64:ff9b::8.8.8.8',
    '2002:808:808::1',
    '::ffff:8.8.8.8',
  ])('has %s for public', (address) => expect(classifyAddress(address)).toBe('public'));

  it.each([
    '127.0.0.1',
    '127.255.255.254',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '::1',
    'fd12:3456::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '0:0:0:0:0:ffff:a00:1',
    '64:ff9b::10.0.0.1',
    '2002:c0a8:101::1',
  ])('has %s for private', (address) => expect(classifyAddress(address)).toBe('private'));

  it.each([
    '169.254.169.254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    'fd00:ec2::254',
    'fd00:0ec2:0::254',
    '100.100.100.200',
    '0.0.0.0',
    '::',
    '::127.0.0.1',
    'fe80::1',
    'fe80::1%eth0',
    '224.0.0.1',
    '255.255.255.255',
    'ff02::1',
    '2001:db8::1',
    '2001::1',
    'nonsense',
    '127.1',
    '0x7f000001',
    '',
  ])('never allows %s', (address) => expect(classifyAddress(address)).toBe('forbidden'));
});
