#!/usr/bin/env python3
"""Replay recorded SMTP dialogues against any SMTP server.

Usage: run_case.py HOST:PORT FILE.jsonl [...] [--name REGEX] [--group REGEX] [-v] [--tls-dir DIR]

The server must already be configured as the case's "main", "master" and "tables" say (the
replayer does not configure anything).  For every step the bytes in "send" are sent from the
recorded source address, and the replies that come back are compared with "recv":
  FAIL          the number of replies, a reply code or an enhanced status code differs
  text differs  codes agree and only the text differs
Exit status 1 when a case failed.  Standard library only.
"""
import argparse, base64, json, os, re, socket, ssl, sys, time

QID = [(re.compile(r'queued as [0-9A-Za-z]{6,}'), 'queued as {QID}'),
       (re.compile(r'as [0-9A-F]{9,12}(?=[^0-9A-Za-z]|$)'), 'as {QID}')]
CHAL = re.compile(r'^334 (PD[0-9A-Za-z+/=]{20,})$')
TIMEOUT = 15.0
QUIET = 0.25


def normalise(line):
    for rx, to in QID:
        line = rx.sub(to, line)
    return CHAL.sub('334 {CHALLENGE}', line)


class Conn:
    def __init__(self, host, port, addr=None, tls_dir=None):
        fam = socket.AF_INET6 if ':' in host else socket.AF_INET
        self.sock = socket.socket(fam, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if addr:
            self.sock.bind((addr, 0))
        self.sock.settimeout(TIMEOUT)
        self.sock.connect((host, port))
        self.buf = b''
        self.queued = []
        self.eof = False
        self.tls_dir = tls_dir

    def fill(self, timeout):
        self.sock.settimeout(max(timeout, 0.001))
        try:
            d = self.sock.recv(65536)
        except (socket.timeout, ssl.SSLWantReadError):
            return None
        except OSError:
            d = b''
        if not d:
            self.eof = True
            return False
        self.buf += d
        return True

    def line(self, timeout):
        end = time.monotonic() + timeout
        while b'\n' not in self.buf:
            left = end - time.monotonic()
            if self.eof or left <= 0 or self.fill(left) is False:
                return None
        l, self.buf = self.buf.split(b'\n', 1)
        return l.rstrip(b'\r').decode('utf-8', 'backslashreplace')

    def reply(self, timeout):
        out = []
        while True:
            l = self.line(timeout)
            if l is None:
                return out
            self.queued += re.findall(r'queued as (\S+)', l)
            out.append(normalise(l))
            if not re.match(r'^\d\d\d-', l):
                return out

    def replies(self, n, timeout=TIMEOUT):
        out = []
        for _ in range(n):
            r = self.reply(timeout)
            if not r:
                break
            out += r
        return out

    def wait_eof(self, timeout):
        end = time.monotonic() + timeout
        while not self.eof and time.monotonic() < end:
            self.fill(end - time.monotonic())
        return self.eof

    def starttls(self, opt):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.check_hostname = False
        ctx.verify_mode = ssl.CERT_NONE
        ctx.minimum_version = ssl.TLSVersion.TLSv1_2
        if isinstance(opt, dict):
            if opt.get('max') == '1.2':
                ctx.maximum_version = ssl.TLSVersion.TLSv1_2
            if opt.get('cert'):
                ctx.load_cert_chain(os.path.join(self.tls_dir or '.', opt['cert'] + '.pem'))
        self.sock.settimeout(TIMEOUT)
        self.sock = ctx.wrap_socket(self.sock, server_hostname=(opt.get('sni') if isinstance(opt, dict) else None))

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass


def payload(send):
    if isinstance(send, dict):
        if 'bytes_b64' in send:
            return base64.b64decode(send['bytes_b64'])
        return (send['text'] * send.get('times', 1)).encode('utf-8')
    return send.replace('PORT={VAR}', 'PORT=25').encode('utf-8')


def count(recv):
    return sum(1 for l in recv if re.match(r'^\d\d\d(?!-)', l) or not re.match(r'^\d\d\d-', l))


def play(case, host, port, tls_dir=None, record=False):
    """Return a list of (step, actual) where actual is {"recv":[...], "eof":bool, ...}."""
    conns, result = {}, []
    default_addr = (case.get('client') or {}).get('addr')
    try:
        for step in case['steps']:
            cid = step.get('c', '1')
            act = {'recv': []}
            if 'sleep' in step:
                time.sleep(step['sleep'])
                result.append((step, act))
                continue
            n = step.get('n', 1) if record else count(step.get('recv', []))
            tmo = step.get('timeout', TIMEOUT)
            if step.get('connect'):
                addr = step.get('addr', default_addr)
                h = step.get('host', host)
                c = conns[cid] = Conn(h, step.get('port', port), addr, tls_dir)
                if step.get('wrapper') is not None:
                    c.starttls(step['wrapper'])
            else:
                c = conns[cid]
            try:
                if 'tls' in step:
                    try:
                        c.starttls(step['tls'])
                        act['tls_ok'] = True
                    except (OSError, ssl.SSLError):
                        act['tls_ok'] = False
                        c.eof = True
                if step.get('send') is not None:
                    try:
                        c.sock.settimeout(TIMEOUT)
                        c.sock.sendall(payload(step['send']))
                    except OSError as e:
                        act['send_error'] = True
                if step.get('half_close'):
                    c.sock.shutdown(socket.SHUT_WR)
                if step.get('close'):
                    c.close()
                    result.append((step, act))
                    continue
                if 'tls' in step and not step.get('connect'):
                    n = 0
                if n:
                    act['recv'] = c.replies(n, tmo)
                    if record and not act['recv'] and not c.eof and 'timeout' not in step:
                        act['no_reply'] = True          # recording only: give up on this case
                        result.append((step, act))
                        break
                    if record:                          # replies that nobody asked for
                        while True:
                            more = c.reply(0.04)
                            if not more:
                                break
                            act['recv'] += more
                elif not ('tls' in step):
                    act['recv'] = c.replies(1, QUIET)
                codes = [l[:3] for l in act['recv']]
                if record:
                    if (codes and codes[-1] in ('221', '421', '521')) or c.eof:
                        if c.wait_eof(2):
                            act['eof'] = True
                elif step.get('eof'):
                    act['eof'] = c.wait_eof(5)
            finally:
                pass
            result.append((step, act))
    finally:
        for c in conns.values():
            c.close()
    return result


CODE = re.compile(r'^(\d\d\d)(?:[ -](\d\.\d{1,3}\.\d{1,3})?)?')


def key(line):
    m = CODE.match(line)
    return m.groups() if m else (None, None)


def compare(case, result):
    """-> (fails, text_differences) as lists of strings"""
    fails, texts = [], []
    for i, (step, act) in enumerate(result):
        want, got = step.get('recv', []), act['recv']
        what = step.get('send')
        what = repr(what)[:70] if what is not None else 'connect' if step.get('connect') else 'step'
        wc = [key(l) for l in want]
        gc = [key(l) for l in got]
        ehlo = len(want) > 1 and any('PIPELINING' in l for l in want)
        if ehlo:                        # the set of keywords counts, not their order
            if sorted(l[4:] for l in want[1:]) != sorted(l[4:] for l in got[1:]) or wc[:1] != gc[:1]:
                fails.append(f'step {i} {what}: want {want} got {got}')
            elif want != got:
                texts.append(f'step {i} {what}: want {want} got {got}')
        elif wc != gc:
            fails.append(f'step {i} {what}: want {want} got {got}')
        elif want != got:
            texts.append(f'step {i} {what}: want {want} got {got}')
        if step.get('eof') and not act.get('eof'):
            fails.append(f'step {i} {what}: the connection should have been closed')
        if 'tls_ok' in step and step['tls_ok'] != act.get('tls_ok'):
            fails.append(f'step {i} TLS handshake: want {step["tls_ok"]} got {act.get("tls_ok")}')
    return fails, texts


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('server')
    ap.add_argument('files', nargs='+')
    ap.add_argument('--name', default='')
    ap.add_argument('--group', default='')
    ap.add_argument('--tls-dir', default=os.path.join(os.path.dirname(os.path.abspath(__file__)), 'base', 'tls'))
    ap.add_argument('-v', action='store_true')
    a = ap.parse_args()
    host, port = a.server.rsplit(':', 1)
    host = host.strip('[]')
    tot = ok = txt = bad = skip = 0
    for f in a.files:
        for line in open(f, encoding='utf-8'):
            case = json.loads(line)
            if not re.search(a.name, case['name']) or not re.search(a.group, case['group']):
                continue
            if case.get('fails_to_start'):
                skip += 1
                continue
            tot += 1
            try:
                fails, texts = compare(case, play(case, host, int(port), a.tls_dir))
            except (OSError, KeyError) as e:
                fails, texts = [f'{type(e).__name__}: {e}'], []
            if fails:
                bad += 1
                print('FAIL', case['name'])
                for x in fails:
                    print('   ', x)
            elif texts:
                txt += 1
                print('text differs', case['name'])
                if a.v:
                    for x in texts:
                        print('   ', x)
            else:
                ok += 1
                if a.v:
                    print('ok', case['name'])
    print(f'{tot} cases: {ok} the same, {txt} with other text, {bad} failed' + (f'; {skip} not played (the server does not start)' if skip else ''))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
