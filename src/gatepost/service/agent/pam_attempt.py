"""One question to PAM, in a process of its own: modules leak, hang, write to standard output, and know nothing of threads.

Run by pam.py as a script, with nothing but the standard library: service, user, password, address of the client and seconds come on
standard input, each ended by NUL; one word is the answer, on what was standard output. It asks in a child, and ends that in time
with all that it has started. Nothing of a secret stands among arguments, in the environment or in a core file.

The conversation answers what is asked without an echo, which is the password, and nothing else. pam_authenticate(3) says whether it
is right, pam_acct_mgmt(3) whether the user may (expired, locked, not in the group).
"""

import ctypes
import os
import resource
import select
import signal
import sys
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_uint, c_void_p
from typing import Any, NoReturn

LIBRARIES = ("libpam.so.0",)

ACCEPTED, REFUSED, UNAVAILABLE = "accepted", "refused", "unavailable"
"""The answers; behind the last stands why."""

_SUCCESS, _CONV_ERROR, _BUF_ERROR = 0, 19, 5
_SILENT, _DISALLOW_NULL = 0x8000, 0x0001
_ECHO_OFF, _ECHO_ON, _ERROR_MSG, _TEXT_INFO = 1, 2, 3, 4
_RHOST, _FAIL_DELAY = 4, 10

_REFUSALS = {
    6,  # PAM_PERM_DENIED
    7,  # PAM_AUTH_ERR
    8,  # PAM_CRED_INSUFFICIENT
    10,  # PAM_USER_UNKNOWN
    11,  # PAM_MAXTRIES
    12,  # PAM_NEW_AUTHTOK_REQD
    13,  # PAM_ACCT_EXPIRED
    16,  # PAM_CRED_EXPIRED
    17,  # PAM_CRED_ERR
    27,  # PAM_AUTHTOK_EXPIRED
}
"""Codes that say no. Whatever else is not success says that nobody knows: PAM_AUTHINFO_UNAVAIL, PAM_SYSTEM_ERR, a module that is
missing (PAM_ABORT, PAM_MODULE_UNKNOWN)."""


class _Message(Structure):
    _fields_ = (("style", c_int), ("text", c_char_p))


class _Response(Structure):
    _fields_ = (("text", c_void_p), ("code", c_int))


_Converse = CFUNCTYPE(c_int, c_int, POINTER(POINTER(_Message)), POINTER(c_void_p), c_void_p)
_Delay = CFUNCTYPE(None, c_int, c_uint, c_void_p)


class _Conversation(Structure):
    _fields_ = (("converse", _Converse), ("data", c_void_p))


def ask(service: bytes, user: bytes, password: bytes, client: bytes, pam: Any, libc: Any) -> str:
    """What PAM says, as one of the answers."""
    conversation = _Conversation(_Converse(_converser(password, libc)), None)
    handle = c_void_p()
    code = pam.pam_start(service, user, byref(conversation), byref(handle))
    if code != _SUCCESS:
        return f"{UNAVAILABLE} pam_start: code {code}"
    # Whoever asks waits by himself, without a process: a module's own delay would keep others from being asked.
    no_delay = _Delay(lambda *_: None)
    pam.pam_set_item(handle, _FAIL_DELAY, no_delay)
    if client:
        pam.pam_set_item(handle, _RHOST, c_char_p(client))
    code = pam.pam_authenticate(handle, _SILENT | _DISALLOW_NULL)
    if code == _SUCCESS:
        code = pam.pam_acct_mgmt(handle, _SILENT | _DISALLOW_NULL)
    answer = _meaning(code, pam.pam_strerror(handle, code))
    pam.pam_end(handle, code)
    return answer


def _meaning(code: int, words: bytes | None) -> str:
    if code == _SUCCESS:
        return ACCEPTED
    if code in _REFUSALS:
        return REFUSED
    return f"{UNAVAILABLE} {(words or b'').decode('ascii', 'replace')} (code {code})"


def _converser(password: bytes, libc: Any) -> Any:
    """A conversation function. Answers are PAM's to free, and so are made by C's own allocator."""

    def converse(count: int, messages: Any, answers: Any, data: Any) -> int:
        try:
            return answer(count, messages, answers)
        except Exception:  # what C would take for success
            return _CONV_ERROR

    def answer(count: int, messages: Any, answers: Any) -> int:
        if not 0 < count <= 32:
            return _CONV_ERROR
        styles = [messages[index].contents.style for index in range(count)]
        if not set(styles) <= {_ECHO_OFF, _ERROR_MSG, _TEXT_INFO}:
            return _CONV_ERROR  # a question that is not for the password
        made = libc.calloc(count, ctypes.sizeof(_Response))
        if not made:
            return _BUF_ERROR
        responses = ctypes.cast(made, POINTER(_Response))
        for index, style in enumerate(styles):
            if style == _ECHO_OFF:
                responses[index].text = libc.strdup(password)
        answers[0] = made
        return _SUCCESS

    return converse


def libraries() -> tuple[Any, Any]:
    """(libpam, libc). Raises OSError."""
    pam, libc = ctypes.CDLL(LIBRARIES[0]), ctypes.CDLL(None)
    pam.pam_start.argtypes = c_char_p, c_char_p, POINTER(_Conversation), POINTER(c_void_p)
    pam.pam_set_item.argtypes = c_void_p, c_int, c_void_p
    for function in (pam.pam_authenticate, pam.pam_acct_mgmt, pam.pam_end, pam.pam_strerror):
        function.argtypes = c_void_p, c_int
    pam.pam_strerror.restype = c_char_p
    libc.calloc.argtypes, libc.calloc.restype = (ctypes.c_size_t, ctypes.c_size_t), c_void_p
    libc.strdup.argtypes, libc.strdup.restype = (c_char_p,), c_void_p
    return pam, libc


def main() -> NoReturn:
    """Exit status 0 wherever there is an answer."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    told = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    service, user, password, client, seconds = sys.stdin.buffer.read(65536).split(b"\0")[:5]
    for descriptor in (0, 1, 2):  # what modules write is for nobody
        os.dup2(nothing, descriptor)
    _adopt_orphans()
    answer = _in_time(float(seconds), service, user, password, client)
    _end_children()
    os.write(told, answer)
    os._exit(0 if answer else 1)


def _in_time(seconds: float, service: bytes, user: bytes, password: bytes, client: bytes) -> bytes:
    """The answer of a process of its own; nothing where it ends in another way than by answering."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = ask(service, user, password, client, *libraries())
        except OSError as error:
            answer = f"{UNAVAILABLE} {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    ended = select.poll()
    ended.register(os.pidfd_open(pid), select.POLLIN)
    if not ended.poll(seconds * 1000):
        return f"{UNAVAILABLE} no answer in time".encode()
    if os.waitpid(pid, 0)[1] != 0:
        return b""
    os.set_blocking(reading, False)
    try:
        return os.read(reading, 4096)
    except BlockingIOError:
        return b""


_PR_SET_CHILD_SUBREAPER = 36


def _adopt_orphans() -> None:
    """Whatever a module starts becomes our child when its parent ends, even if it leaves the session (pam_exec does): prctl(2)."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_children() -> None:
    """Leave nothing behind that a module has started, as far as the kernel lists it (CONFIG_PROC_CHILDREN)."""
    for _ in range(1000):
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as listed:
                children = listed.read().split()
        except OSError:
            return
        if not children:
            return
        for child in children:
            os.kill(int(child), signal.SIGKILL)
            os.waitpid(int(child), 0)


if __name__ == "__main__":
    main()
