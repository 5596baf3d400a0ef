// Runs inside Thunderbird: trusts an authority, keeps a login as its password manager does, makes an account and an identity, and
// composes and sends a message. Tells [status, message] of the sending, or a text of what went wrong before.
const [port, wrapped, authority, user, password, sender, to, subject, done] = arguments;
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");

function trust() {
  const certificates = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
  certificates.addCertFromBase64(authority.replace(/-----.*-----|\s/g, ""), "C,,");
}

function keepLogin() {
  const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
  login.init("smtp://localhost", null, "smtp://localhost", user, password, "", "");
  return Services.logins.addLoginAsync(login);
}

function makeIdentity() {
  const server = MailServices.outgoingServer.createServer("smtp");
  server.QueryInterface(Ci.nsISmtpServer);
  server.hostname = "localhost";
  server.port = port;
  server.username = user;
  server.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
  server.socketType = wrapped ? Ci.nsMsgSocketType.SSL : Ci.nsMsgSocketType.alwaysSTARTTLS;
  const identity = MailServices.accounts.createIdentity();
  identity.email = sender;
  identity.smtpServerKey = server.key;
  identity.doFcc = false;
  return identity;
}

function send(identity) {
  const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
  fields.from = sender;
  fields.to = to;
  fields.subject = subject;
  return new Promise(resolve => {
    const listener = {
      QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]),
      onStartSending() {},
      onSendProgress() {},
      onStatus() {},
      onGetDraftFolderURI() {},
      onSendNotPerformed: () => resolve("not performed"),
      onTransportSecurityError: (_, status) => resolve(`TLS: ${status}`),
      onStopSending: (_, status, message) => resolve([status, message]),
    };
    const sending = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
    sending.createAndSendMessage(
      null, identity, "", fields, false, false, Ci.nsIMsgSend.nsMsgDeliverNow, null, "text/plain", "body\n",
      null, null, listener, null, null, Ci.nsIMsgCompType.New
    );
  });
}

trust();
keepLogin().then(makeIdentity).then(send).then(done, error => done(`${error}`));
