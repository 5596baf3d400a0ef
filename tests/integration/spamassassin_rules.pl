#!/usr/bin/perl
# What SpamAssassin makes of rule files, told as JSON: its configuration after it has read them, and, for each line of standard input
# that is a rule's name (or `=` and a pattern in hexadecimal) and texts in hexadecimal between tabs, which of the texts the pattern
# matches; null for a pattern that it does not take.
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
$SIG{__WARN__} = sub { print STDERR $_[0] unless $_[0] =~ /experimental|regexp/ };
while (my $line = <STDIN>) {
    chomp $line;
    my ($name, @subjects) = split /\t/, $line;
    my $pattern = $conf->{test_qrs}{$name};
    ($pattern) = Mail::SpamAssassin::Util::compile_regexp(pack('H*', substr $name, 1), 1, 0) if $name =~ /^=/;
    push @{$told{found}}, defined $pattern ? join '', map { pack('H*', $_) =~ $pattern ? 1 : 0 } @subjects : undef;
}
print JSON::PP->new->ascii->canonical->allow_unknown->allow_blessed->encode(\%told);
