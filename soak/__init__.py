"""A long run under abuse: does the account balance in the end?"""
