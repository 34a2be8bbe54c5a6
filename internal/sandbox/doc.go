// Package sandbox is a stand-in for the social-security server: an SFTP server
// on the loopback address with the six folders, that checks a set when its GO
// arrives, takes the files away, and answers with signed receipts (ACRF) and
// notifications (NOTI) as the real one does.
//
// It serves the commands sandbox and demo, and tests: what happened is in a
// journal, what was received is kept, and a [Scenario] chooses answers and
// faults. Nothing that it says is said by the office: it knows the published
// rules and no more.
//
// On disk, below [Config.Dir]:
//
//	IN, INTEST, INTEST-S, OUT, OUTTEST, OUTTEST-S   what a client sees
//	.processed/NNNNNN/FOLDER/                       the files of the n-th set that was taken
//	.state/                                         used names, numbers, answers still due, keys
package sandbox
