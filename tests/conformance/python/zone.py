"""A secondary made of a library that this project did not write: dnspython copies a zone,
validates every set of it, and follows the chain of NSEC records once around. Reads what to do
as JSON from the first argument and prints what it found as JSON."""

import json
import sys

import dns.dnssec
import dns.name
import dns.query
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import dns.xfr
import dns.zone

task = json.loads(sys.argv[1])


def copied():
    """The zone, by a signed transfer."""
    zone = dns.zone.Zone(dns.name.from_text(task["zone"]), relativize=False)
    keyring = dns.tsigkeyring.from_text({task["key"]["name"]: task["key"]["secret"]})
    query, _ = dns.xfr.make_query(zone, keyring=keyring, keyalgorithm=dns.tsig.HMAC_SHA256)
    dns.query.inbound_xfr(task["address"], zone, query=query, port=task["port"], timeout=30)
    return zone


def sets(zone, name):
    """The sets of a name by type, and the signatures by the type that they cover."""
    found, signatures = {}, {}
    for rdataset in zone.get_node(name):
        rrset = dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset))
        if rdataset.rdtype == dns.rdatatype.RRSIG:
            signatures[rdataset.covers] = rrset
        else:
            found[rdataset.rdtype] = rrset
    return found, signatures


def listed(nsec):
    """The types that an NSEC record lists (RFC 4034, section 4.1.2)."""
    types = set()
    for window, bitmap in nsec.windows:
        for octet, byte in enumerate(bitmap):
            types |= {window * 256 + octet * 8 + bit for bit in range(8) if byte & (0x80 >> bit)}
    return types


def checked(zone):
    """Validates what is there, and says what is wrong."""
    keys = {zone.origin: sets(zone, zone.origin)[0][dns.rdatatype.DNSKEY]}
    faults, validated, chain = [], 0, {}
    delegations = {name for name in zone if name != zone.origin and dns.rdatatype.NS in sets(zone, name)[0]}
    for name in zone:
        # What is below a delegation is glue, and at it the parent signs only what is its own
        # (RFC 4035, section 2.2).
        if any(name != above and name.is_subdomain(above) for above in delegations):
            continue
        found, signatures = sets(zone, name)
        delegated = name in delegations
        signed = {dns.rdatatype.DS, dns.rdatatype.NSEC} if delegated else set(found)
        for rtype in signed & set(found):
            try:
                dns.dnssec.validate(found[rtype], signatures[rtype], keys)
                validated += 1
            except (KeyError, dns.dnssec.ValidationFailure) as fault:
                faults.append(f"{name} {dns.rdatatype.to_text(rtype)}: {fault!r}")
        if dns.rdatatype.NSEC in found:
            nsec = found[dns.rdatatype.NSEC][0]
            chain[name] = nsec.next
            if listed(nsec) != set(found) | {dns.rdatatype.RRSIG}:
                faults.append(f"{name}: its NSEC record lists {nsec}")
    # RFC 4034, section 4.1.1: the names in canonical order, and the last points to the first.
    order = sorted(chain)
    following = dict(zip(order, order[1:] + order[:1]))
    faults += [f"{name}: {chain[name]} does not follow" for name in order if chain[name] != following[name]]
    return faults, validated


copy = copied()
found_faults, count = checked(copy)
names = [name.to_text() for name in copy]
print(json.dumps({"names": names, "validated": count, "faults": found_faults}))
