//! The help text.

pub(crate) const HELP: &str = "\
Microsoft Defender for Endpoint on loopback, for tests: its API, the Entra ID that signs in to it, and what its links lead to.
It is not a product of Microsoft, and touches no real machine.

Usage: defender-emulator --ca-file PATH [options]

Options:
      --ca-file PATH          Where to write the certificate (PEM) of the CA that clients must trust
      --state-dir DIR         Keep CA, port, tenant, client id and secret in this folder from start to start; --ca-file is
                              DIR/ca.pem, if it is not given
      --cert FILE, --key FILE Show this certificate (PEM, with its chain), in the place of one made at start; --ca-file is
                              FILE, if it is not given
      --port PORT             The port on 127.0.0.1; 0, the default, is any that is free
      --state FILE            Begin with the machines, actions and library files of this JSON file
      --log FILE              Write a line of JSON for every request, without tokens and bodies; - is stderr
      --http VERSION          What the TLS handshake offers: both (the default), 1.1 or 2
      --stop-with-stdin       Stop when standard input ends, too, so as not to outlive its starter
      --clock-speed TIMES     Go so many times as fast as the machine's clock
      --manual-clock          Stand still at the time of the start; POST /emulator/clock turns the clock
  -h, --help                  Print this help
  -V, --version               Print the version

How the service behaves:
      --pending-for SECONDS   How long an action is Pending; 1 by default, and it may have a fraction
      --running-for SECONDS   How long it is InProgress after that; 2 by default
      --offline MACHINE       This machine is not there, so that its actions wait; may be given for several
      --machines COUNT        How many machines there are; 3 by default, and 0 makes their list a 404
      --duplicates WHAT       A repeat while the first is active: refuse (the default), join, accept, ended (the response is one
                              that has ended, too), or seeded:NUMBER for any of them
      --read-lag SECONDS      For how long a new action is not found yet; 0 by default
      --page-size ROWS        How many rows a page has; 10000 by default
      --quotas WHAT           enforced (the default) or off
      --retry-after FORM      The Retry-After of a 429: seconds (the default), date or absent
      --without-role ROLE     Leave a role out of the tokens; may be given for several
      --token-lifetime SECONDS  How long a token is good for; 3599 by default
      --audience URI          What tokens are for, beside the service's own names
      --redirect-uri URI      A redirect URI beside http://localhost; may be given for several
      --assertion-leeway SECONDS  How far a signer's clock may be off; 300 by default
      --assertion-use WHAT    How often an assertion is taken: many (the default) or once
      --investigations WHAT   startInvestigation: retired (the default) or available
      --in-operator WHAT      in, in a filter: refused (the default) or understood
      --chaos SEED,RATE       Let something go wrong with so many in 1 of all requests, such as 7,0.1

How its responses are written (each of the first six also takes seeded:NUMBER, to draw from its list):
      --requestor WHAT        display-name (the default), app-id, mail or guest
      --particulars WHEN      scope and file of a record: after-pending (the default), at-once, after:SECONDS or never
      --comments WHAT         blank (the default; one behind it), as-sent, cut:LENGTH, crlf, entities or null
      --external-ids WHAT     echoed (the default), absent, uuid or word (the last two come from another product)
      --rows WHAT             readable (the default), null-machine, null-type, null-creation, unknown-type or unreadable
      --date-header WHAT      clock (the default), absent, 1970, ahead:SECONDS or behind:SECONDS
      --created-status WHAT   An action is created with: documented (the default; 200 for offboarding, else 201), 201 or 200
      --deflate FORM          Compress responses unasked: off (the default), zlib or raw
      --fractions WHAT        Digits of a second in dates: 7 (the default), or seeded:NUMBER for none to seven
      --first-update WHAT     The update time right after a POST: written (the default) or null
      --nulls WHAT            Fields without a value: written (the default) or omitted
      --targets FORM          The target of an error: guid (the default) or opaque
      --transcripts FORM      A script's transcript: plain (the default) or gzip
      --update-name WHAT      live (lastUpdateDateTimeUtc, the default) or documented (lastUpdateTimeUtc)

Once it listens, it prints one line of JSON: base_url, authority, audience, tenant_id, client_id, application_name,
client_secret, imds_endpoint, identity_endpoint, identity_header, machine_ids and ca_file. It serves until SIGINT or SIGTERM.

From another program, at base_url, without a token:
      GET    /emulator/health           Whether it is there, and its time
      POST   /emulator/reset            Everything as at the start, but for ids, keys and the port
      POST   /emulator/state            More machines, actions and library files, in the form of --state
      GET    /emulator/ledger?from=N    Every POST, PATCH and DELETE that came, and what it did; DELETE empties it
      GET    /emulator/log?from=N       Every request, GETs too; DELETE empties it
      POST   /emulator/faults           {\"fault\": \"ResetAfterEffect\", \"on\": \"Isolate\", \"machineId\": \"..\", \"times\": 1}
      GET    /emulator/faults           Those that are armed; DELETE: no more, but those by chance
      POST   /emulator/behaviors        {\"comments\": \"cut:64\", \"requestor\": \"app-id\"}; also particulars, externalIds, rows,
                                        date, duplicates; DELETE: as at the start
      POST   /emulator/outcomes         {\"outcome\": \"Failed\", \"errorHResult\": -1, \"type\": \"Isolate\", \"times\": 1}; DELETE: no more
      GET    /emulator/machines/{id}    What the actions have made of a machine
      POST   /emulator/machines/{id}    {\"online\": false}
      GET    /emulator/clock            Its time
      POST   /emulator/clock            {\"advanceSeconds\": 259200}, with --manual-clock
      POST   /emulator/deviceCodes      {\"userCode\": \"..\", \"agrees\": true}
      POST   /emulator/certificates     {\"certificate\": \"-----BEGIN CERTIFICATE-----..\"}
      POST   /emulator/federations      {\"issuer\": \"..\", \"subject\": \"..\", \"publicKey\": \"-----BEGIN PUBLIC KEY-----..\"}
      GET    /emulator/userToken        A user's token for the application itself, to be exchanged on the user's behalf
      DELETE /emulator/signIns          Refresh tokens are of no use from now on

Exit codes: 0 a signal stopped it, 1 it could not start, 2 the command line was not understood.
";
