#!/usr/bin/perl
# What SpamAssassin makes of rule files, told as JSON: its configuration after it has read them, and, for each line of standard input
# that is `NAME`, a tab and octets in hexadecimal, whether the pattern of the rule matches them.
# Usage: spamassassin_rules.pl RULES SITE
use strict;
use warnings;
use JSON::PP;
use Mail::SpamAssassin;

my ($rules, $site) = @ARGV;
my $scanner = Mail::SpamAssassin->new({
    local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => '/dev/null',
    rules_filename => $rules, site_rules_filename => $site, config_tree_recurse => 0, userstate_dir => "$site/state",
});
$scanner->init(1);
my $conf = $scanner->{conf};
my %told = map { $_ => $conf->{$_} } qw(scoreset tflags descriptions test_types test_opt_header test_opt_unset
    test_opt_neg test_opt_exists meta_dependencies head_evals body_evals rawbody_evals full_evals rbl_evals);
$told{patterns} = { map { $_ => "$conf->{test_qrs}{$_}" } keys %{$conf->{test_qrs}} };
$told{priorities} = {};
for my $kind (qw(head body rawbody uri full)) {
    while (my ($priority, $tests) = each %{$conf->{"${kind}_tests"}}) { $told{priorities}{$_} = $priority + 0 for keys %$tests }
}
$told{found} = [];
while (my $line = <STDIN>) {
    chomp $line;
    my ($name, $octets) = split /\t/, $line;
    my $subject = pack 'H*', $octets // '';
    push @{$told{found}}, $subject =~ $conf->{test_qrs}{$name} ? 1 : 0;
}
print JSON::PP->new->ascii->canonical->allow_unknown->allow_blessed->encode(\%told);
