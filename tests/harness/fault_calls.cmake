# SPDX-License-Identifier: Apache-2.0
#
# What fault_calls.c stands in place of: mafs_fault_calls(TARGET).

function(mafs_fault_calls target)
	foreach(call pwrite64 openat64 ftruncate64 fallocate64 mknodat mkdirat
		renameat renameat2 unlinkat linkat symlinkat setxattr
		fsetxattr removexattr lremovexattr fremovexattr rmdir mkdir
		sync_file_range utimensat futimens chmod fchmod fchown
		fchownat move_mount umount2 fdatasync fsync syncfs
		mafs_boot_id)
		target_link_options(${target} PRIVATE -Wl,--wrap=${call})
	endforeach()
endfunction()
