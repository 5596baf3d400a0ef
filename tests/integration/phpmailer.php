<?php
// A web application's mail: php phpmailer.php PORT tls|ssl AUTHORITY USER PASSWORD SENDER TO SUBJECT
require '/usr/share/php/libphp-phpmailer/autoload.php';

[, $port, $secure, $authority, $user, $password, $sender, $to, $subject] = $argv;
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->SMTPDebug = 2;
$mail->Debugoutput = 'echo';
$mail->Host = 'localhost';
$mail->Port = (int) $port;
$mail->SMTPSecure = $secure;
$mail->SMTPOptions = ['ssl' => ['cafile' => $authority]];
$mail->SMTPAuth = true;
$mail->Username = $user;
$mail->Password = $password;
$mail->setFrom($sender);
$mail->addAddress($to);
$mail->Subject = $subject;
$mail->Body = 'body';
try {
    $mail->send();
} catch (PHPMailer\PHPMailer\Exception $error) {
    echo $error->getMessage();
    exit(1);
}
