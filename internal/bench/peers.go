package main

import (
	"fmt"
	"strconv"
	"strings"
)

// sshOptions are the options of OpenSSH's programs, as a person would have
// them in ~/.ssh/config. Nothing of the machine's own configuration counts.
func (b *bench) sshOptions() []string {
	return []string{
		"-F", "none", "-i", b.server.Key, "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile=" + b.server.KnownHosts,
		"-o", "GlobalKnownHostsFile=none", "-o", "StrictHostKeyChecking=yes",
	}
}

// sftpArgs is sftp with the server as its last argument; -b FILE goes before.
func (b *bench) sftpArgs(more ...string) []string {
	args := append([]string{"sftp", "-q"}, b.sshOptions()...)
	args = append(args, more...)
	return append(args, "-P", strconv.Itoa(b.net.Port), b.user+"@"+b.net.Host)
}

// sftpBatches runs one sftp per batch file, all at once. It fails when one of
// them does.
func (b *bench) sftpBatches(batches []string, more ...string) command {
	args := b.sftpArgs(more...)
	one := strings.Join(args[:len(args)-1], " ")
	if len(batches) == 1 {
		return command{args: []string{"sh", "-c", fmt.Sprintf("exec %s -b %s %s", one, batches[0], args[len(args)-1])}}
	}
	script := "pids=\n"
	for _, batch := range batches {
		script += fmt.Sprintf("%s -b %s %s >/dev/null & pids=\"$pids $!\"\n", one, batch, args[len(args)-1])
	}
	return command{args: []string{"sh", "-c", script + "status=0\nfor p in $pids; do wait $p || status=$?; done\nexit $status"}}
}

// lftp runs commands of lftp. Its ssh asks for no password; lftp wants to have
// one all the same.
func (b *bench) lftp(commands string) command {
	connect := "ssh -a -x " + strings.Join(b.sshOptions(), " ")
	script := fmt.Sprintf("set cmd:fail-exit yes; set net:max-retries 3; set sftp:connect-program \"%s\"; open -u %s,x -p %d sftp://%s; %s",
		connect, b.user, b.net.Port, b.net.Host, commands)
	return command{args: []string{"sh", "-c", "exec lftp --norc -c '" + script + "'"}}
}

// rclone copies a directory. It is spared what an SFTP-only server cannot do
// for it.
func (b *bench) rclone(from, to string) command {
	return command{
		env: []string{"RCLONE_CONFIG=/notfound"},
		args: []string{
			"rclone", "copy", "--transfers", "32", "--sftp-host", b.net.Host, "--sftp-port", strconv.Itoa(b.net.Port),
			"--sftp-user", b.user, "--sftp-key-file", b.server.Key, "--sftp-known-hosts-file", b.server.KnownHosts,
			"--sftp-shell-type", "none", from, ":sftp:" + to,
		},
	}
}
